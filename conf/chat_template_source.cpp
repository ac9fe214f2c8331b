#include "conf/chat_template_source.hpp"

#include <sys/stat.h>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace troupe {
namespace {

Error refuse(const std::string& path, const std::string& why) {
  return Error{ErrorCode::kConfiguration, "model.chat_template: cannot read the file \"" + path + "\": " + why, "", 0};
}

}  // namespace

Result<std::string> chat_template_source(const std::string& value) {
  for (const char* tag : {"{{", "{%", "{#"}) {
    if (value.find(tag) != std::string::npos) return value;
  }
  struct stat status {};
  if (::stat(value.c_str(), &status) != 0) return refuse(value, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return refuse(value, "it is not a regular file");
  if (status.st_size == 0) return refuse(value, "it is empty");
  if (static_cast<std::size_t>(status.st_size) > kChatTemplateBytesMax)
    return refuse(value, "it has " + std::to_string(status.st_size) + " bytes (at most 1 MiB)");
  std::ifstream in(value, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) return refuse(value, "reading it failed");
  return text.str();
}

}  // namespace troupe
