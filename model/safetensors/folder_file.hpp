#pragma once
// A small text file of a model's folder.
#include <filesystem>
#include <string>
#include <string_view>

#include "model/gguf/load_error.hpp"
#include "model/gguf/mapped_file.hpp"

namespace troupe {

inline bool exists_in(const std::string& folder, const std::string& name) {
  std::error_code ignored;
  return std::filesystem::exists(folder + "/" + name, ignored);
}

class FolderFile {
 public:
  // Regular files only, and not empty. Errors name the file within the folder.
  static Result<FolderFile> open(const std::string& folder, const std::string& name) {
    auto file = MappedFile::open(folder + "/" + name);
    if (!file) return Error{file.error().code, name + ": " + file.error().message, "", 0};
    return FolderFile(std::move(*file));
  }

  std::string_view text() const { return {reinterpret_cast<const char*>(file_.bytes().data()), file_.bytes().size()}; }
  std::span<const std::uint8_t> bytes() const { return file_.bytes(); }

 private:
  explicit FolderFile(MappedFile file) : file_(std::move(file)) {}
  MappedFile file_;
};

}  // namespace troupe
