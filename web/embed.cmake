# cmake -DPAGE=index.html -DOUT=page.cpp -P embed.cmake: writes the bytes of a file as a C++ source file.
file(READ "${PAGE}" bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n    " bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUT}" "#include \"web/page.hpp\"

namespace troupe {
namespace {
const unsigned char kPage[] = {
    ${bytes}
};
}  // namespace

std::string_view playground_page() { return {reinterpret_cast<const char*>(kPage), sizeof kPage}; }
}  // namespace troupe
")
