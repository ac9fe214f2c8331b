#pragma once
// How much each tenant was served, so that the one served least goes first (virtual token counters, arXiv 2401.00588).
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace troupe {

struct Tenant {
  double served = 0;  // service tokens, positions computed and tokens sampled, for each unit of its weight
  double weight = 1;
  std::uint32_t live = 0;            // sequences that wait or run
  std::uint32_t waiting = 0;         // of those, the ones that wait
  std::uint64_t waiting_tokens = 0;  // their positions

  void serve(std::uint32_t tokens) { served += tokens / weight; }
};

class TenantBooks {
 public:
  // One more live sequence. A tenant that was away starts no lower than the least served of those who are here: what
  // it did not use is not owed to it. Its weight is the one it was last named with.
  Tenant& enter(const std::string& name, double weight = 1);
  void leave(Tenant& tenant);

  const Tenant* find(const std::string& name) const;
  double least_served() const;  // of those with live sequences; 0: there are none
  // What its counter would stand at if it came now, when `least` was served at least: the lowest goes first.
  double rank(const std::string& name, double least) const;
  std::uint32_t active() const { return active_; }  // tenants with live sequences

  static constexpr std::size_t kAbsentMax = 4096;  // tenants whose counter is kept while they are away

 private:
  void forget_absent();

  std::unordered_map<std::string, std::unique_ptr<Tenant>> tenants_;
  std::uint32_t active_ = 0;
};

}  // namespace troupe
