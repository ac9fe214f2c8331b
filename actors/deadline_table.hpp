#pragma once
// The deadlines of all live requests, so that one timer is enough for them: a timer of its own per request would
// outlive the request (a CAF timer cannot be taken back) and pin its memory until it fires.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "runtime/request.hpp"

namespace troupe {

class DeadlineTable {
 public:
  using Key = std::uint64_t;

  void add(Key key, SteadyTime deadline);
  void remove(Key key);  // unknown keys are fine

  // Takes out those whose deadline has come.
  std::vector<Key> expired(SteadyTime now);
  std::optional<SteadyTime> next() const;
  std::size_t size() const { return by_key_.size(); }

 private:
  std::set<std::pair<SteadyTime, Key>> by_time_;
  std::map<Key, SteadyTime> by_key_;
};

}  // namespace troupe
