#include "runtime/memory_governor.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace troupe {
namespace {

// 100 * kLimitMax does not overflow.
std::uint64_t share_of(std::uint64_t bytes, std::uint64_t per_cent) { return bytes * per_cent / 100; }

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + (1U << 20U) - 1) >> 20U) + " MiB"; }

void raise(std::atomic<std::uint64_t>& most, std::uint64_t value) {
  std::uint64_t seen = most.load(std::memory_order_relaxed);
  while (seen < value && !most.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

const char* what_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::kConnections:
      return "a connection";
    case MemoryUse::kInput:
      return "reading this request";
    case MemoryUse::kRequests:
      return "this request";
    case MemoryUse::kAnswers:
      return "the answer of up to max_tokens tokens";
    case MemoryUse::kResultCache:
      return "a stored answer";
  }
  return "";
}

constexpr std::uint64_t kMebibyte = 1U << 20U;
constexpr std::uint64_t kValueBytes = 48;   // of a JSON document, for each value or name
constexpr std::uint64_t kTokenBytes = 128;  // StreamToken in a vector that doubles, its text, and that again as JSON
constexpr std::uint64_t kAlternativeBytes = 320;    // its id, and its text and bytes as JSON, in the answer and in the
                                                    // buffer it is written from
constexpr std::uint64_t kEmbeddingValueBytes = 48;  // a float on its way and in the stream, and its digits twice
constexpr std::uint64_t kLimitFloor = 256U << 20U;  // of an automatic limit
constexpr std::uint64_t kLimitCeiling = 16ULL << 30U;
constexpr std::uint64_t kWorkingBytes = 8U << 20U;  // connections and other requests beside the largest one

}  // namespace

MemoryGovernor::MemoryGovernor(std::uint64_t limit_bytes) : limit_(std::min(limit_bytes, kLimitMax)) {}

std::uint64_t MemoryGovernor::limit_of(MemoryUse use) const {
  switch (use) {
    case MemoryUse::kConnections:
    case MemoryUse::kInput:
      return share_of(limit(), kInputShare);
    case MemoryUse::kRequests:
    case MemoryUse::kAnswers:
      return share_of(limit(), kRequestShare);
    case MemoryUse::kResultCache:
      return share_of(limit(), kTightShare);
  }
  return 0;
}

bool MemoryGovernor::try_take(MemoryUse use, std::uint64_t bytes) {
  std::uint64_t most = limit_of(use);
  std::uint64_t before = used_.load(std::memory_order_relaxed);
  bool is_taken = false;
  while (!is_taken) {
    if (bytes > most || before > most - bytes) break;
    is_taken = used_.compare_exchange_weak(before, before + bytes, std::memory_order_relaxed);
  }
  if (is_taken) {
    by_use_[index(use)].fetch_add(bytes, std::memory_order_relaxed);
    raise(most_used_, before + bytes);
  }
  if (use == MemoryUse::kResultCache) return is_taken;
  if (!is_taken && bytes <= most) raise(missing_, before + bytes - most);
  bool is_tight = !is_taken || level() != MemoryLevel::kCalm;
  if (is_tight && tell_cache_ && used(MemoryUse::kResultCache) > 0 && !is_cache_told_.exchange(true)) tell_cache_();
  return is_taken;
}

void MemoryGovernor::give_back(MemoryUse use, std::uint64_t bytes) {
  by_use_[index(use)].fetch_sub(bytes, std::memory_order_relaxed);
  used_.fetch_sub(bytes, std::memory_order_relaxed);
}

MemoryLevel MemoryGovernor::level() const {
  std::uint64_t now = used();
  if (now >= share_of(limit(), kScarceShare)) return MemoryLevel::kScarce;
  return now >= share_of(limit(), kTightShare) ? MemoryLevel::kTight : MemoryLevel::kCalm;
}

std::uint64_t MemoryGovernor::to_yield() {
  is_cache_told_.store(false);
  std::uint64_t mark = share_of(limit(), kTightShare);
  std::uint64_t now = used();
  return std::max(now > mark ? now - mark : 0, missing_.exchange(0));
}

void MemoryGovernor::set_limit(std::uint64_t bytes) { limit_.store(std::min(bytes, kLimitMax)); }

Error MemoryGovernor::refusal(MemoryUse use, std::uint64_t bytes, std::uint32_t retry_after_s) {
  count(MemoryStep::kRefusal);
  return {ErrorCode::kQueueFull,
          std::string(what_of(use)) + " may need " + mebibytes(bytes) + "; " + mebibytes(used()) +
              " are in use and together they may be " + mebibytes(limit_of(use)) + " (memory.limit is " +
              mebibytes(limit()) + ")",
          "", retry_after_s};
}

MemoryLease::MemoryLease(MemoryLease&& other) noexcept
    : governor_(std::move(other.governor_)), use_(other.use_), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryLease& MemoryLease::operator=(MemoryLease&& other) noexcept {
  if (this == &other) return *this;
  shrink_to(0);
  governor_ = std::move(other.governor_);
  use_ = other.use_;
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool MemoryLease::grow_to(std::uint64_t bytes) {
  if (!governor_ || bytes <= bytes_) return true;
  if (!governor_->try_take(use_, bytes - bytes_)) return false;
  bytes_ = bytes;
  return true;
}

void MemoryLease::shrink_to(std::uint64_t bytes) {
  if (!governor_ || bytes >= bytes_) return;
  governor_->give_back(use_, bytes_ - bytes);
  bytes_ = bytes;
}

std::uint64_t parse_bytes(std::string_view body) {
  std::uint64_t values = 0;
  for (char c : body) values += static_cast<unsigned>(c == ',') | (c == '[') | (c == '{') | (c == ':');  // no branches
  return 3 * body.size() + values * kValueBytes;
}

std::uint64_t request_bytes(std::size_t prompt_bytes) { return kRequestBytes + prompt_bytes; }

std::uint64_t request_bytes_of_tokens(std::size_t prompt_tokens) {
  return kRequestBytes + 2 * sizeof(std::int32_t) * prompt_tokens;
}

std::uint64_t answer_bytes(std::uint64_t tokens, std::int32_t logprobs) {
  std::uint64_t alternatives = logprobs < 0 ? 0 : static_cast<std::uint64_t>(logprobs) + 1;
  return tokens * (kTokenBytes + alternatives * kAlternativeBytes);
}

std::uint64_t embedding_bytes(std::uint32_t values) { return values * kEmbeddingValueBytes; }

std::uint64_t memory_needed(std::uint64_t body_max) {
  std::uint64_t bytes = 4 * std::min(body_max, MemoryGovernor::kLimitMax / 1024) + kWorkingBytes;
  bytes = bytes * 100 / MemoryGovernor::kInputShare;
  return (bytes + kMebibyte - 1) / kMebibyte * kMebibyte;
}

std::uint64_t automatic_memory_limit(std::uint64_t free_bytes, std::uint64_t body_max) {
  return std::max(std::clamp(free_bytes / 2, kLimitFloor, kLimitCeiling), memory_needed(body_max));
}

}  // namespace troupe
