#pragma once
// A request as every room knows it: what to generate from, how to sample, when to stop. Plain values, validated by
// net/schema before they get here. One Request is one sequence: a wire request with n choices or several prompts is
// several Requests that differ in `choice`.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

using TokenId = std::int32_t;
using RequestId = std::uint64_t;  // unique within the process, never reused, never 0
using SteadyTime = std::chrono::steady_clock::time_point;

// Ranges are those of the wire (OpenAI's and vLLM's agree); net/schema enforces them.
struct SamplingParams {
  float temperature = 1.0F;         // 0..2; 0 = greedy
  std::uint32_t top_k = 0;          // 0 = off
  float top_p = 1.0F;               // (0, 1]
  float min_p = 0.0F;               // [0, 1]
  float typical_p = 1.0F;           // (0, 1]
  float repetition_penalty = 1.0F;  // (0, 2]; over prompt and output
  float presence_penalty = 0.0F;    // -2..2; over the output
  float frequency_penalty = 0.0F;   // -2..2; over the output
  std::vector<std::pair<TokenId, float>> logit_bias;  // distinct ids, ascending; -100..100
  std::optional<std::uint64_t> seed;  // absent: the service draws one when the request is submitted

  bool is_greedy() const { return temperature == 0.0F; }
};

struct StopRules {
  std::uint32_t max_tokens = 16;  // >= 1; 0 = as many as the context allows
  std::uint32_t min_tokens = 0;   // end-of-generation tokens are not sampled before
  bool ignore_eos = false;
  std::vector<std::string> stop;            // at most 16 of at most 1 KiB; the text ends before the match
  std::vector<TokenId> stop_token_ids;      // at most 128; the token ends the output and is not shown
};

struct ChatToolCall {
  std::string id;         // empty = none
  std::string name;       // of the function
  std::string arguments;  // JSON, as it was written
};
struct ChatMessage {
  std::string role;
  std::string content;
  std::string name;                           // empty = none
  std::vector<std::string> parts = {};        // a content that came in parts, all of them text; `content` is empty then
  std::vector<ChatToolCall> tool_calls = {};  // of an assistant's message
  std::string tool_call_id = {};              // which of them a tool's message answers
  std::string reasoning = {};                 // reasoning_content
};
struct ChatPrompt {
  std::vector<ChatMessage> messages;
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the output continues the last message, which is not closed
  std::string tools = {};               // JSON, a list; empty = none
  std::string template_arguments = {};  // JSON, an object: chat_template_kwargs; empty = none
};

// Text (special tokens in it are plain text), token ids, or a conversation for the model's chat template.
using PromptInput = std::variant<std::string, std::vector<TokenId>, ChatPrompt>;
std::size_t bytes_of(const PromptInput& prompt);  // what it takes to keep it in a queue, roughly

// What becomes of an input's hidden states: nothing, and tokens are generated after it, or one vector, its embedding.
enum class Pooling : std::uint32_t {
  kNone = 0,
  kMean = 1,  // over all positions
  kLast = 2,  // that of the last position
};

enum class CachePolicy : std::uint8_t { kUse, kNoStore, kNoCache };  // no-cache: neither looked up nor stored

struct Request {
  RequestId id = 0;        // set by the service
  std::string external_id; // x-request-id: the client's or ours
  std::string model;       // a name the catalog resolved
  PromptInput prompt;
  SamplingParams sampling;
  StopRules stop;
  Pooling pooling = Pooling::kNone;  // an embedding samples nothing: sampling and stop mean nothing for it
  std::uint32_t choice = 0;          // index among the wire request's choices; part of the sampling key
  std::int32_t logprobs = -1;        // -1 = none, else the number of alternatives per token, 0..20
  std::int32_t prompt_logprobs = -1;  // likewise for the prompt's tokens
  bool echo = false;                  // the prompt is part of the answer
  bool only_prompt = false;           // nothing is generated after it: max_tokens means nothing
  CachePolicy cache = CachePolicy::kUse;
  std::string tenant;                // its name, a digest of the API key or empty; keys the prefix and result caches
  std::string cache_salt;            // separates prefix caches further, when the client asks for it
  std::string user;                  // whom the client says it asks for: turns are shared among them without keys
  std::int32_t priority = 0;         // higher is served first
  const char* route = "";            // where it came in: a literal, for the access log
  SteadyTime arrived{};              // when the first byte of the request had been read
  std::optional<SteadyTime> deadline;

  bool shows_prompt() const { return echo || prompt_logprobs >= 0; }
  bool embeds() const { return pooling != Pooling::kNone; }
  // Deterministic requests may be answered from the result cache.
  bool is_deterministic() const { return sampling.is_greedy() || sampling.seed.has_value(); }
};

enum class FinishReason : std::uint8_t { kStop, kLength };
enum class CancelReason : std::uint8_t {
  kClientGone,
  kClientAsked,
  kDeadline,
  kWriteStall,
  kShutdown,
  kShed,      // an operator made room for requests of a higher priority
  kOperator,  // an operator ended the requests of its tenant
};
const char* name_of(FinishReason reason);  // "stop", "length": OpenAI's words
const char* name_of(CancelReason reason);  // "client_gone"

struct Usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t completion_tokens = 0;
  std::uint32_t cached_tokens = 0;  // prompt tokens whose KV blocks were already there
};

// Where the time of a request went. Each stage is measured by its own two clock reads; together they cover the
// request from `arrived` to its end, so they sum to the whole within 1 %.
enum class Stage : std::uint8_t {
  kReceive,   // first byte read -> handed to the service
  kTokenize,  // handed in -> token ids known (waiting for a text worker included)
  kCache,     // result cache asked -> answered
  kQueue,     // enqueued -> first scheduled
  kPrefill,   // first scheduled -> first token sampled
  kDecode,    // first token -> last token
  kDeliver,   // last token -> end written to the response stream
};
inline constexpr std::size_t kStageCount = 7;
const char* name_of(Stage stage);  // "prefill"
struct StageTimes {
  std::chrono::nanoseconds stage[kStageCount] = {};
  std::chrono::nanoseconds& operator[](Stage s) { return stage[static_cast<std::size_t>(s)]; }
  const std::chrono::nanoseconds& operator[](Stage s) const { return stage[static_cast<std::size_t>(s)]; }
};

}  // namespace troupe
