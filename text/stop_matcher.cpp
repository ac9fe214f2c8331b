#include "text/stop_matcher.hpp"

#include <algorithm>
#include <utility>

namespace troupe {

namespace {
std::vector<std::uint32_t> fallback_of(const std::string& text) {
  std::vector<std::uint32_t> fallback(text.size(), 0);
  std::uint32_t length = 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    while (length > 0 && text[i] != text[length]) length = fallback[length - 1];
    if (text[i] == text[length]) ++length;
    fallback[i] = length;
  }
  return fallback;
}
}  // namespace

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  for (std::string& stop : stops) {
    std::vector<std::uint32_t> fallback = fallback_of(stop);
    patterns_.push_back({std::move(stop), std::move(fallback), 0});
  }
}

bool StopMatcher::push(std::string_view piece, std::string& shown) {
  if (matched_) return true;
  if (patterns_.empty()) {
    shown += piece;
    return false;
  }
  std::size_t already_held = held_.size();
  held_ += piece;
  std::size_t longest = 0;
  for (std::size_t at = already_held; at < held_.size(); ++at) {
    longest = 0;
    std::size_t longest_stop = 0;
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& p = patterns_[i];
      if (p.text.empty()) continue;
      while (p.matched > 0 && held_[at] != p.text[p.matched]) p.matched = p.fallback[p.matched - 1];
      if (held_[at] == p.text[p.matched]) ++p.matched;
      longest = std::max<std::size_t>(longest, p.matched);
      if (p.matched < p.text.size()) continue;
      if (p.text.size() > longest_stop) longest_stop = p.text.size(), matched_ = i;
    }
    if (matched_) {
      shown.append(held_, 0, at + 1 - longest_stop);
      held_.clear();
      return true;
    }
  }
  if (!piece.empty()) {
    shown.append(held_, 0, held_.size() - longest);
    held_.erase(0, held_.size() - longest);
  }
  return false;
}

void StopMatcher::finish(std::string& shown) {
  shown += held_;
  held_.clear();
}

}  // namespace troupe
