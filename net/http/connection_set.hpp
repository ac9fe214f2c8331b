#pragma once
// The open connections of a server: how many there are (whatever they speak), and which of them speak HTTP, to be told
// to end. Called from any thread; the locks are held only for the count and the list.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace troupe {

// A slot is held by whoever owns the socket, from accept to close.
class ConnectionCount : public std::enable_shared_from_this<ConnectionCount> {
 public:
  // `changed` sees every new count; under the lock, so in order.
  explicit ConnectionCount(std::function<void(std::size_t)> changed) : changed_(std::move(changed)) {}

  std::shared_ptr<void> enter();
  std::size_t count() const;
  bool wait_until_zero(std::chrono::milliseconds timeout) const;

 private:
  void leave();

  mutable std::mutex mutex_;
  mutable std::condition_variable zero_;
  const std::function<void(std::size_t)> changed_;
  std::size_t count_ = 0;
};

class Connection {
 public:
  virtual ~Connection() = default;
  // From any thread; they post.
  virtual void close_if_idle() = 0;
  virtual void close_now() = 0;  // cancels what it waits for: kShutdown
};

// Owns its members until they close.
class ConnectionSet {
 public:
  void add(std::shared_ptr<Connection> connection);
  void remove(const Connection* connection);
  void close_idle();
  void close_all();

 private:
  std::vector<std::shared_ptr<Connection>> members() const;

  mutable std::mutex mutex_;
  std::unordered_map<const Connection*, std::shared_ptr<Connection>> connections_;
};

}  // namespace troupe
