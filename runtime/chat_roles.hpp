#pragma once
// The roles a message may have. Fixed words, so a chat template may build its control tokens from them.
#include <string_view>

namespace troupe {

inline constexpr std::string_view kChatRoles[] = {"system", "developer", "user", "assistant", "tool", "function"};

}  // namespace troupe
