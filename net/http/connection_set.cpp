#include "net/http/connection_set.hpp"

#include <utility>

namespace troupe {

std::shared_ptr<void> ConnectionCount::enter() {
  std::lock_guard lock(mutex_);
  changed_(++count_);
  // The slot is the counter itself; giving it back is what its deleter does.
  return std::shared_ptr<void>(this, [self = shared_from_this()](void*) { self->leave(); });
}

void ConnectionCount::leave() {
  std::lock_guard lock(mutex_);
  changed_(--count_);
  if (count_ == 0) zero_.notify_all();
}

std::size_t ConnectionCount::count() const {
  std::lock_guard lock(mutex_);
  return count_;
}

bool ConnectionCount::wait_until_zero(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return zero_.wait_for(lock, timeout, [this] { return count_ == 0; });
}

void ConnectionSet::add(std::shared_ptr<Connection> connection) {
  std::lock_guard lock(mutex_);
  const Connection* key = connection.get();
  connections_.emplace(key, std::move(connection));
}

void ConnectionSet::remove(const Connection* connection) {
  std::shared_ptr<Connection> last_reference;  // dropped after the lock
  std::lock_guard lock(mutex_);
  auto found = connections_.find(connection);
  if (found == connections_.end()) return;
  last_reference = std::move(found->second);
  connections_.erase(found);
}

void ConnectionSet::close_idle() {
  for (const auto& connection : members()) connection->close_if_idle();
}

void ConnectionSet::close_all() {
  for (const auto& connection : members()) connection->close_now();
}

std::vector<std::shared_ptr<Connection>> ConnectionSet::members() const {
  std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, connection] : connections_) all.push_back(connection);
  return all;
}

}  // namespace troupe
