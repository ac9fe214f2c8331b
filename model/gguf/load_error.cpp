#include "model/gguf/load_error.hpp"

namespace troupe {

Error load_error(std::string_view field, std::string_view reason) {
  return Error{ErrorCode::kModelFile, printable(field) + ": " + std::string(reason), "", 0};
}

Error cannot_load(std::string_view path, const Error& error) {
  return Error{error.code, "cannot load model '" + std::string(path) + "': " + error.message, "", 0};
}

std::string printable(std::string_view text) {
  constexpr std::size_t kShownMax = 80;
  std::string shown(text.substr(0, kShownMax));
  for (char& c : shown)
    if (c < 0x20 || c > 0x7E) c = '?';
  if (text.size() > kShownMax) shown += "...";
  return shown;
}

}  // namespace troupe
