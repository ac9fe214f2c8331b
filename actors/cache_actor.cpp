#include "actors/cache_actor.hpp"

#include <malloc.h>

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <unordered_map>

#include "actors/messages.hpp"
#include "actors/shell.hpp"
#include "runtime/memory_result_store.hpp"

namespace troupe {
namespace {

constexpr std::size_t kEntryShare = 4;  // one answer takes at most a quarter of the store

class Cache final : public ActorLogic {
 public:
  Cache(caf::event_based_actor* self, ServiceEnvPtr env)
      : self_(self),
        env_(std::move(env)),
        store_(env_->status.result_cache_bytes, env_->status.result_cache_bytes / kEntryShare),
        memory_(env_->options.memory, MemoryUse::kResultCache) {
    if (env_->options.memory) env_->options.memory->to_yield();  // what a cache before this one was told is done
  }

  caf::behavior behavior() override {
    return {
        [this](Lookup& message) {
          ProfiledBlock block(env_->profiler(), "cache", "look up");
          look_up(message);
        },
        [this](Publish& message) {
          ProfiledBlock block(env_->profiler(), "cache", "publish");
          publish(message);
        },
        [this](const Leave& message) { leave(message.key, self_->current_sender()->id()); },
        [this](const CacheBudget& message) { set_budget(message.bytes); },
        [this](const YieldMemory&) { yield_memory(); },
        [this](const DropStored&) { return drop_stored(); },
    };
  }

  void down(const caf::down_msg& message) override {
    auto entry = led_by_.find(message.source.id());
    if (entry != led_by_.end()) leave(ResultKey(entry->second), message.source.id());
  }

 private:
  struct KeyHash {  // a key is a SHA-256: any 8 bytes of it are a hash
    std::size_t operator()(const ResultKey& key) const {
      std::size_t hash = 0;
      std::memcpy(&hash, key.data(), sizeof(hash));
      return hash;
    }
  };
  struct Flight {
    caf::actor leader;
    std::deque<caf::actor> followers;
  };

  void look_up(Lookup& message) {
    auto request = caf::actor_cast<caf::actor>(self_->current_sender());
    message.mark.reset();
    if (auto stored = store_.find(message.key)) {
      env_->metrics().result_cache_hits.count();
      return self_->send(request, CacheAnswer{CacheAnswer::Kind::kHit, std::move(stored)});
    }
    env_->metrics().result_cache_misses.count();
    if (!message.may_lead) return self_->send(request, CacheAnswer{});
    auto flight = flights_.find(message.key);
    if (flight == flights_.end()) return lead(message.key, flights_[message.key], std::move(request));
    if (followers_ >= env_->options.followers_max) return self_->send(request, CacheAnswer{});
    ++followers_;
    flight->second.followers.push_back(std::move(request));
  }

  void lead(const ResultKey& key, Flight& flight, caf::actor request) {
    self_->monitor(request);  // of one that is dead already, the end is told at once
    led_by_.emplace(request.id(), key);
    self_->send(request, CacheAnswer{CacheAnswer::Kind::kLead, nullptr});
    flight.leader = std::move(request);
  }

  void publish(Publish& message) {
    if (has_memory_for(*message.result)) store_.store(message.key, message.result);
    show_bytes();
    auto flight = flights_.find(message.key);
    if (flight == flights_.end()) return;
    forget_leader(flight->second);
    followers_ -= flight->second.followers.size();
    for (const caf::actor& follower : flight->second.followers) {
      self_->send(follower, CacheAnswer{CacheAnswer::Kind::kHit, message.result});
    }
    flights_.erase(flight);
  }

  void set_budget(std::size_t bytes) {
    store_.set_bytes_max(bytes, bytes / kEntryShare);
    show_bytes();
  }

  Dropped drop_stored() {
    Dropped dropped{store_.bytes_used()};
    store_.clear();
    show_bytes();
    return dropped;
  }

  // While memory is tight nothing more is kept.
  bool has_memory_for(const StoredResult& result) {
    if (memory_.grow_to(store_.bytes_used() + result.bytes() + MemoryResultStore::kEntryOverheadBytes)) return true;
    env_->options.memory->count(MemoryStep::kResultCache);
    return false;
  }

  void yield_memory() {
    std::uint64_t bytes = env_->options.memory->to_yield();
    std::size_t used = store_.bytes_used();
    if (bytes == 0 || used == 0) return;
    store_.shrink_to(used - std::min<std::uint64_t>(bytes, used));
    show_bytes();
    env_->options.memory->count(MemoryStep::kResultCache);
    malloc_trim(0);  // others allocate from arenas of their own
  }

  void show_bytes() {
    memory_.shrink_to(store_.bytes_used());
    env_->metrics().result_cache_bytes.set(static_cast<double>(store_.bytes_used()));
  }

  void leave(const ResultKey& key, caf::actor_id who) {
    auto entry = flights_.find(key);
    if (entry == flights_.end()) return;
    Flight& flight = entry->second;
    if (flight.leader.id() != who) {
      followers_ -= std::erase_if(flight.followers, [who](const caf::actor& follower) { return follower.id() == who; });
      return;
    }
    forget_leader(flight);
    if (flight.followers.empty()) {
      flights_.erase(entry);
      return;
    }
    --followers_;
    caf::actor next = std::move(flight.followers.front());
    flight.followers.pop_front();
    lead(entry->first, flight, std::move(next));
  }

  void forget_leader(Flight& flight) {
    self_->demonitor(flight.leader.address());
    led_by_.erase(flight.leader.id());
  }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  MemoryResultStore store_;
  MemoryLease memory_;                                      // for what is stored
  std::unordered_map<ResultKey, Flight, KeyHash> flights_;  // at most one for each live request
  std::unordered_map<caf::actor_id, ResultKey> led_by_;
  std::size_t followers_ = 0;  // of all flights, at most followers_max
};

}  // namespace

caf::actor spawn_cache(caf::actor_system& system, const ServiceEnvPtr& env) {
  return spawn_actor(system, "cache", false,
                     [env](caf::event_based_actor* self) { return std::make_unique<Cache>(self, env); });
}

}  // namespace troupe
