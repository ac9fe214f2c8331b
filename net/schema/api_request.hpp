#pragma once
// A generation request off the wire, checked: the sequences it asks for and how the answer is to be written.
#include <boost/json/fwd.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/doors/model_catalog.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::int64_t kChoicesMax = 128;            // n, as at OpenAI
inline constexpr std::size_t kPromptsMax = 1024;            // of one request
inline constexpr std::size_t kSequencesMax = 1024;          // prompts x n
inline constexpr std::size_t kPromptCopiesMax = 64U << 20;  // bytes of all sequences' prompts together
inline constexpr std::size_t kMessagesMax = 4096;
inline constexpr std::size_t kStopsMax = 16;
inline constexpr std::size_t kStopBytesMax = 1024;
inline constexpr std::size_t kStopTokensMax = 128;
inline constexpr std::int64_t kLogprobsMax = 20;
inline constexpr std::size_t kBiasesMax = 1024;    // entries of logit_bias
inline constexpr std::size_t kNameBytesMax = 256;  // model, cache_salt, user, role, name
// A prompt with more bytes than this a token of context is surely too long; known without tokenizing it.
inline constexpr std::size_t kBytesPerTokenMax = 16;

enum class ApiKind : std::uint8_t { kCompletion, kChat, kEmbedding };

struct ApiRequest {
  ApiKind kind = ApiKind::kCompletion;
  const ModelCard* card = nullptr;
  std::vector<Request> sequences;  // prompt 0's choices, then prompt 1's ...: the index on the wire
  std::uint32_t choices_per_prompt = 1;  // best_of
  std::uint32_t shown_per_prompt = 1;    // n: the likeliest of them, where they are fewer
  bool stream = false;
  bool include_usage = false;  // in a stream: a last chunk with the usage
  bool logprobs = false;
  bool echo = false;                  // the text begins with the prompt's
  std::int32_t prompt_logprobs = -1;  // alternatives beside each token of the prompt; -1: the field is not wanted
  bool base64 = false;             // embeddings: not as lists of numbers
  std::size_t at_once = SIZE_MAX;  // sequences that may run at the same time; the others follow
};

// What is known of a request besides its body.
struct RequestOrigin {
  const ModelCatalog* catalog = nullptr;
  std::string external_id;
  std::string tenant;
  const char* route = "";  // for the access log: a literal
  SteadyTime arrived{};
  CachePolicy cache = CachePolicy::kUse;
  std::optional<std::uint32_t> timeout_ms;  // the header's; the nearer of it and the field `timeout_ms` counts
};
inline constexpr std::uint32_t kTimeoutMsMax = 86'400'000;  // a day

// Bodies of POST /v1/completions and /v1/chat/completions: as text, or as the JSON it was parsed to.
Result<ApiRequest> parse_request(ApiKind kind, std::string_view body, const RequestOrigin& origin);
Result<ApiRequest> parse_request(ApiKind kind, const boost::json::value& body, const RequestOrigin& origin);

}  // namespace troupe
