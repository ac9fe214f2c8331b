#pragma once
// The labels of the metrics: every value a label can have, by name and in the order of its enum.
#include <array>

#include "runtime/batch_reasons.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/slo.hpp"

namespace troupe {

// How a request ended. accepted = finished + failed + cancelled + those still in progress; rejected and abandoned
// ones ended before the batcher had accepted them (by us, by the client).
enum class Outcome : std::uint8_t { kFinished, kFailed, kCancelled, kRejected, kAbandoned };
constexpr std::array<const char*, 5> label_values(Outcome) {
  return {"finished", "failed", "cancelled", "rejected", "abandoned"};
}

constexpr std::array<const char*, 2> label_values(FinishReason) { return {"stop", "length"}; }

constexpr std::array<const char*, 7> label_values(CancelReason) {
  return {"client_gone", "client_asked", "deadline", "write_stall", "shutdown", "shed", "operator"};
}

constexpr std::array<const char*, kStageCount> label_values(Stage) {
  return {"receive", "tokenize", "cache", "queue", "prefill", "decode", "deliver"};
}

constexpr std::array<const char*, 5> label_values(BatchClose) {
  return {"full", "window", "deadline", "idle", "running"};
}

constexpr std::array<const char*, 5> label_values(StepBound) { return {"calm", "urgent", "gap", "solo", "fixed"}; }

constexpr std::array<const char*, kPromptClasses> label_values(PromptClass) {
  return {"short", "medium", "long", "huge"};
}

// Whether a finished request held the latency targets in force.
enum class Verdict : std::uint8_t { kGood, kLateFirstToken, kLateGaps };
constexpr std::array<const char*, 3> label_values(Verdict) { return {"good", "late_first_token", "late_gaps"}; }

// What became of the place in line of a refused request that was told when to come back.
enum class PlaceEnd : std::uint8_t { kKept, kLost };
constexpr std::array<const char*, 2> label_values(PlaceEnd) { return {"kept", "lost"}; }

// Whose deadline it was that passed.
enum class DeadlineSource : std::uint8_t { kClient, kServer };
constexpr std::array<const char*, 2> label_values(DeadlineSource) { return {"client", "server"}; }

enum class KvState : std::uint8_t { kFree, kCached, kReferenced };
constexpr std::array<const char*, 3> label_values(KvState) { return {"free", "cached", "referenced"}; }

constexpr std::array<const char*, kMemoryUses> label_values(MemoryUse) {
  return {"connections", "input", "requests", "answers", "result_cache"};
}
constexpr std::array<const char*, kMemorySteps> label_values(MemoryStep) {
  return {"result_cache", "slow_reader", "refusal"};
}

enum class Protocol : std::uint8_t { kHttp, kWebSocket, kGrpc };
constexpr std::array<const char*, 3> label_values(Protocol) { return {"http", "websocket", "grpc"}; }

// Who has to change something so that the error does not happen again.
enum class Fault : std::uint8_t { kClient, kServer };
constexpr std::array<const char*, 2> label_values(Fault) { return {"client", "server"}; }
Fault fault_of(ErrorCode code);

constexpr std::array<const char*, 23> label_values(ErrorCode) {
  return {"invalid_request",   "context_length_exceeded",
          "unsupported",       "unauthorized",
          "forbidden",         "model_not_found",
          "not_found",         "method_not_allowed",
          "request_timeout",   "payload_too_large",
          "uri_too_long",      "unsupported_media_type",
          "headers_too_large", "queue_full",
          "rate_limited",      "deadline_exceeded",
          "cancelled",         "shutting_down",
          "not_ready",         "shed",
          "internal",          "model_file",
          "configuration"};
}
static_assert(label_values(ErrorCode{}).size() == static_cast<std::size_t>(ErrorCode::kConfiguration) + 1);

enum class HttpRoute : std::uint8_t {
  kChatCompletions,
  kCompletions,
  kEmbeddings,
  kModels,
  kTokenize,
  kDetokenize,
  kHealth,
  kReady,
  kVersion,
  kStats,
  kPage,
  kWebSocket,
  kAdmin,
  kOther,  // no such path, or a request that could not be read
};
constexpr std::array<const char*, 14> label_values(HttpRoute) {
  return {"/v1/chat/completions",
          "/v1/completions",
          "/v1/embeddings",
          "/v1/models",
          "/tokenize",
          "/detokenize",
          "/health",
          "/ready",
          "/version",
          "/stats",
          "/",
          "/v1/ws",
          "/admin",
          "other"};
}
static_assert(label_values(HttpRoute{}).size() == static_cast<std::size_t>(HttpRoute::kOther) + 1);

// HTTP status codes that are counted one by one; any other one is kOther.
enum class HttpStatus : std::uint8_t {
  k101,
  k200,
  k204,
  k400,
  k401,
  k403,
  k404,
  k405,
  k408,
  k411,
  k413,
  k414,
  k415,
  k417,
  k429,
  k431,
  k499,
  k500,
  k501,
  k503,
  k504,
  k505,
  kOther,
};
constexpr std::array<const char*, 23> label_values(HttpStatus) {
  return {"101", "200", "204", "400", "401", "403", "404", "405", "408", "411", "413",  "414",
          "415", "417", "429", "431", "499", "500", "501", "503", "504", "505", "other"};
}
HttpStatus http_status(int status);

// Close codes we send or receive (RFC 6455 section 7.4.1).
enum class WsClose : std::uint8_t { k1000, k1001, k1002, k1003, k1007, k1008, k1009, k1013, kOther };
constexpr std::array<const char*, 9> label_values(WsClose) {
  return {"1000", "1001", "1002", "1003", "1007", "1008", "1009", "1013", "other"};
}
WsClose ws_close(int code);

enum class GpuIndex : std::uint8_t {};  // 0..7
constexpr std::array<const char*, 8> label_values(GpuIndex) { return {"0", "1", "2", "3", "4", "5", "6", "7"}; }

}  // namespace troupe
