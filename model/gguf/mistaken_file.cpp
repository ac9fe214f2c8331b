#include "model/gguf/mistaken_file.hpp"

#include <algorithm>
#include <cctype>

namespace troupe {
namespace {

bool starts_with(std::string_view text, std::string_view lower_case) {
  return text.size() >= lower_case.size() &&
         std::equal(lower_case.begin(), lower_case.end(), text.begin(), [](char wanted, char c) {
           return wanted == static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
         });
}

}  // namespace

std::string mistaken_file(std::string_view text) {
  if (starts_with(text, "version https://git-lfs"))
    return "this is a Git LFS pointer, not the model itself (git lfs pull fetches it)";
  if (starts_with(text, "<!doctype html") || starts_with(text, "<html"))
    return "this is an HTML page, not a model: the download failed";
  if (text.substr(0, 2) == "PK") return "this is a zip archive or a PyTorch file, which is not supported";
  return "";
}

}  // namespace troupe
