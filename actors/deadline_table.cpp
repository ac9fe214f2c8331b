#include "actors/deadline_table.hpp"

namespace troupe {

void DeadlineTable::add(Key key, SteadyTime deadline) {
  remove(key);
  by_time_.emplace(deadline, key);
  by_key_.emplace(key, deadline);
}

void DeadlineTable::remove(Key key) {
  auto entry = by_key_.find(key);
  if (entry == by_key_.end()) return;
  by_time_.erase({entry->second, key});
  by_key_.erase(entry);
}

std::vector<DeadlineTable::Key> DeadlineTable::expired(SteadyTime now) {
  std::vector<Key> keys;
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    keys.push_back(by_time_.begin()->second);
    remove(keys.back());
  }
  return keys;
}

std::optional<SteadyTime> DeadlineTable::next() const {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

}  // namespace troupe
