#include "net/ws/ws_sockets.hpp"

#include <utility>
#include <vector>

namespace troupe {

std::uint64_t WsSockets::add(End end) {
  std::uint64_t id = 0;
  bool tell = false;
  Ending ending{};
  {
    std::lock_guard lock(mutex_);
    id = next_++;
    tell = ending_;
    ending = ended_with_;
    ends_.emplace(id, end);
  }
  if (tell) end(ending);
  return id;
}

void WsSockets::remove(std::uint64_t id) {
  std::lock_guard lock(mutex_);
  ends_.erase(id);
}

void WsSockets::end_all(Ending ending) {
  std::vector<End> ends;
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    ended_with_ = ending;
    for (const auto& [id, end] : ends_) ends.push_back(end);
  }
  for (const End& end : ends) end(ending);
}

std::size_t WsSockets::count() const {
  std::lock_guard lock(mutex_);
  return ends_.size();
}

}  // namespace troupe
