#pragma once
// An inference service that does nothing by itself: a test takes the streams of what was submitted and writes the
// answers as slowly or quickly as it likes, from its own thread.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"

namespace troupe::test {

class ManualService : public InferenceService {
 public:
  struct Submitted {
    Request request;
    std::shared_ptr<ResponseStream> stream;
    std::vector<CancelReason> cancels;
  };

  std::shared_ptr<ResponseStream> submit(Request request) override {
    std::lock_guard lock(mutex_);
    std::size_t index = submitted_.size();
    request.id = index + 1;
    auto stream = std::make_shared<ResponseStream>(request.id);
    stream->set_canceller([this, index](CancelReason reason) {
      std::shared_ptr<ResponseStream> cancelled;
      {
        std::lock_guard inner(mutex_);
        submitted_[index].cancels.push_back(reason);
        cancelled = submitted_[index].stream;
        changed_.notify_all();
      }
      cancelled->cancelled(reason);
    });
    submitted_.push_back({std::move(request), stream, {}});
    changed_.notify_all();
    return stream;
  }
  void tokenize(TokenizeJob, std::function<void(Result<std::vector<TokenId>>)> done) override {
    done(std::vector<TokenId>{});
  }
  void detokenize(std::vector<TokenId>, std::function<void(Result<std::string>)> done) override { done(std::string()); }
  Readiness readiness() const override { return {Readiness::State::kReady, "", ""}; }
  std::uint32_t retry_after_s() const override { return 3; }

  // The n-th request (from 0), once it is there.
  Submitted at(std::size_t index) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return submitted_.size() > index; })) return {};
    return submitted_[index];
  }
  // The reason of the first cancel of request n; nothing when none comes.
  std::optional<CancelReason> cancel_of(std::size_t index) {
    std::unique_lock lock(mutex_);
    auto cancelled = [&] { return submitted_.size() > index && !submitted_[index].cancels.empty(); };
    if (!changed_.wait_for(lock, kPatience, cancelled)) return std::nullopt;
    return submitted_[index].cancels.front();
  }
  std::size_t count() const {
    std::lock_guard lock(mutex_);
    return submitted_.size();
  }

 private:
  static constexpr std::chrono::seconds kPatience{20};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Submitted> submitted_;
};

inline ModelCatalog catalog_of_one() {
  ModelCard card;
  card.name = "tiny";
  card.context_length = 1024;
  card.vocab_size = 1000;
  card.numerics_class = "class";
  return ModelCatalog({card});
}

inline void append(ResponseStream& stream, TokenId id, std::string_view text) {
  StreamToken token[1];
  token[0].id = id;
  stream.append(token, text);
}

}  // namespace troupe::test
