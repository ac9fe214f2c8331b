#include "web/page.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "test/source_dir.hpp"

using namespace troupe;

TEST_CASE("the page in the program is web/index.html, byte for byte") {
  std::ifstream file(test::source_dir() + "/web/index.html", std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE_FALSE(bytes.empty());
  CHECK(playground_page() == bytes);
}

TEST_CASE("the page asks no other host for anything") {
  std::string_view page = playground_page();
  CHECK(page.find("connect-src 'self'") != std::string_view::npos);
  CHECK(page.find("default-src 'none'") != std::string_view::npos);
  constexpr std::string_view kSvgName = "http://www.w3.org/2000/svg";  // a name, not an address
  for (std::string_view scheme : {"http://", "https://", "src=\"", "@import", "url("}) {
    for (auto at = page.find(scheme); at != std::string_view::npos; at = page.find(scheme, at + 1)) {
      INFO(page.substr(at, 60));
      CHECK(page.substr(at, kSvgName.size()) == kSvgName);
    }
  }
}

TEST_CASE("the model's text never becomes markup") {
  std::string_view page = playground_page();
  for (std::string_view danger : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("}) {
    INFO(danger);
    CHECK(page.find(danger) == std::string_view::npos);
  }
}
