#pragma once
// What model.chat_template names: the template itself, or a file that has it.
#include <string>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kChatTemplateBytesMax = 1U << 20;

// A value with "{{", "{%" or "{#" in it is a template; any other one is a path. kConfiguration when the file cannot be
// read, is no regular file, is empty or larger than kChatTemplateBytesMax.
Result<std::string> chat_template_source(const std::string& value);

}  // namespace troupe
