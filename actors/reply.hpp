#pragma once
// A callback that is called exactly once: with the answer, or with an error when whoever should have answered is gone.
#include <functional>
#include <memory>
#include <utility>

#include "runtime/result.hpp"

namespace troupe {

template <class T>
class Reply {
 public:
  // `otherwise` is asked when the reply is dropped unanswered, on whatever thread dropped it.
  Reply(std::function<void(Result<T>)> done, std::function<Error()> otherwise)
      : done_(std::move(done)), otherwise_(std::move(otherwise)) {}
  ~Reply() {
    if (done_) done_(otherwise_());
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  void answer(Result<T> result) {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

 private:
  std::function<void(Result<T>)> done_;
  std::function<Error()> otherwise_;
};

template <class T>
using ReplyPtr = std::shared_ptr<Reply<T>>;

}  // namespace troupe
