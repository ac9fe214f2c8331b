// A body as clients send them: of a completion, a chat, /tokenize, /detokenize, the operator's verbs, a WebSocket.
#include <memory>

#include "net/schema/admin_request.hpp"
#include "net/schema/api_request.hpp"
#include "net/schema/error_object.hpp"
#include "net/schema/json_parse.hpp"
#include "net/schema/token_request.hpp"
#include "net/ws/ws_protocol.hpp"
#include "runtime/check.hpp"
#include "test/doubles/byte_codec.hpp"

namespace troupe::test {
namespace {

const ModelCatalog& catalog() {
  static const ModelCatalog one = [] {
    ModelCard card;
    card.name = "tiny";
    card.aliases = {"small"};
    card.context_length = 64;
    card.vocab_size = kByteVocab;
    card.codec = std::make_shared<ByteCodec>();
    return ModelCatalog({card});
  }();
  return one;
}

void check_refusal(const Error& error) {
  TROUPE_CHECK(!error.message.empty(), "a refusal says why");
  TROUPE_CHECK(error.code != ErrorCode::kInternal, "a client's body is not our fault");
  std::string object;
  append_error_object(object, error);
  TROUPE_CHECK(parse_json(object).ok(), "an error object is JSON, whatever the client's words in it");
}

void check_request(const ApiRequest& request) {
  TROUPE_CHECK(request.card != nullptr && !request.sequences.empty(), "a request asks for something");
  TROUPE_CHECK(request.sequences.size() <= kSequencesMax, "a request is bounded");
  std::size_t bytes = 0;
  for (const Request& sequence : request.sequences) {
    bytes += bytes_of(sequence.prompt);
    const SamplingParams& p = sequence.sampling;
    TROUPE_CHECK(
        p.temperature >= 0 && p.temperature <= 2 && p.top_p > 0 && p.top_p <= 1 && p.min_p >= 0 && p.min_p <= 1,
        "what is sampled with is in range");
    TROUPE_CHECK(sequence.stop.min_tokens <= sequence.stop.max_tokens || sequence.stop.max_tokens == 0,
                 "limits do not contradict each other");
    for (TokenId token : sequence.stop.stop_token_ids) TROUPE_CHECK(token >= 0, "ids are ids");
    if (const auto* chat = std::get_if<ChatPrompt>(&sequence.prompt)) {
      auto tokens = request.card->codec->tokenize_chat(*chat);
      if (!tokens) check_refusal(tokens.error());
    }
  }
  TROUPE_CHECK(bytes <= kPromptCopiesMax + (1U << 20), "the copies of prompts are bounded");
}

template <class T>
void check(const Result<T>& parsed) {
  if (!parsed) check_refusal(parsed.error());
}
void check(const Status& parsed) {
  if (!parsed) check_refusal(parsed.error());
}

}  // namespace
}  // namespace troupe::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace troupe;
  using namespace troupe::test;
  const std::string_view body(reinterpret_cast<const char*>(bytes), size);
  RequestOrigin origin;
  origin.catalog = &catalog();
  origin.external_id = "request";
  for (ApiKind kind : {ApiKind::kCompletion, ApiKind::kChat}) {
    auto request = parse_request(kind, body, origin);
    check(request);
    if (request) check_request(*request);
  }
  check(parse_tokenize(body, catalog()));
  check(parse_detokenize(body, catalog()));
  check(parse_no_fields(body));
  check(parse_shed(body));
  check(parse_cancel_tenant(body));
  check(parse_clamp(body));
  check(parse_cache(body));
  check(parse_reload(body));
  check(parse_profile(body));
  check(parse_ws_message(body).message);
  return 0;
}
