#pragma once
// One immutable value that is replaced as a whole while others read it: whoever reads keeps the one he got. A mutex
// held for the copy of a pointer; std::atomic<std::shared_ptr> of libstdc++ 12 is not clean under ThreadSanitizer.
#include <memory>
#include <mutex>
#include <utility>

namespace troupe {

template <class T>
class Latest {
 public:
  explicit Latest(std::shared_ptr<const T> first = nullptr) : value_(std::move(first)) {}

  std::shared_ptr<const T> get() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void set(std::shared_ptr<const T> value) {
    std::lock_guard lock(mutex_);
    value_.swap(value);  // the old one goes after the lock
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const T> value_;
};

}  // namespace troupe
