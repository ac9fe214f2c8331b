// Bodies of /v1/completions and /v1/chat/completions: what is taken, what is refused, and how.
#include "net/schema/api_request.hpp"

#include <catch2/catch.hpp>

#include "net/schema/token_request.hpp"
#include "test/net/scripted_service.hpp"

using namespace troupe;

namespace {

const ModelCatalog& catalog() {
  static const ModelCatalog tiny = test::tiny_catalog();  // 64 tokens of context, 256 in the vocabulary
  return tiny;
}

Result<ApiRequest> parse(ApiKind kind, const std::string& body) {
  RequestOrigin origin;
  origin.catalog = &catalog();
  origin.external_id = "req-1";
  origin.tenant = "tenant";
  return parse_request(kind, body, origin);
}
Result<ApiRequest> completion(const std::string& fields) {
  return parse(ApiKind::kCompletion, "{\"prompt\":\"hi\"" + (fields.empty() ? "" : "," + fields) + "}");
}
Result<ApiRequest> chat(const std::string& fields) {
  return parse(ApiKind::kChat,
               R"({"messages":[{"role":"user","content":"hi"}])" + (fields.empty() ? "" : "," + fields) + "}");
}
std::string repeated(const std::string& piece, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ",") + piece;
  return all;
}

struct Refused {
  std::string fields;
  std::string param;
  ErrorCode code = ErrorCode::kInvalidRequest;
};

void check_refused(const Result<ApiRequest>& request, const Refused& expected) {
  CAPTURE(expected.fields.substr(0, 100));
  REQUIRE_FALSE(request.ok());
  CAPTURE(request.error().message);
  CHECK(request.error().param == expected.param);
  CHECK(request.error().code == expected.code);
  CHECK(request.error().message.size() < 1024);
  CHECK_FALSE(request.error().message.empty());
}

}  // namespace

TEST_CASE("schema: fields both kinds share are refused out of range or of the wrong type, by name") {
  const ErrorCode kUnsupported = ErrorCode::kUnsupported;
  const ErrorCode kContext = ErrorCode::kContextLengthExceeded;
  const Refused table[] = {
      {R"("temperature":-0.1)", "temperature"},
      {R"("temperature":2.01)", "temperature"},
      {R"("temperature":"1")", "temperature"},
      {R"("temperature":true)", "temperature"},
      {R"("temperature":[1])", "temperature"},
      {R"("temperature":1e300)", "temperature"},
      {R"("top_p":0)", "top_p"},
      {R"("top_p":-1)", "top_p"},
      {R"("top_p":1.0001)", "top_p"},
      {R"("top_p":1e-300)", "top_p"},
      {R"("top_p":{})", "top_p"},
      {R"("top_k":-2)", "top_k"},
      {R"("top_k":2147483648)", "top_k"},
      {R"("top_k":1.5)", "top_k"},
      {R"("top_k":"40")", "top_k"},
      {R"("min_p":-0.1)", "min_p"},
      {R"("min_p":1.1)", "min_p"},
      {R"("repetition_penalty":0)", "repetition_penalty"},
      {R"("repetition_penalty":-1)", "repetition_penalty"},
      {R"("repetition_penalty":2.1)", "repetition_penalty"},
      {R"("presence_penalty":-2.1)", "presence_penalty"},
      {R"("presence_penalty":2.1)", "presence_penalty"},
      {R"("frequency_penalty":-2.1)", "frequency_penalty"},
      {R"("frequency_penalty":"0")", "frequency_penalty"},
      {R"("n":0)", "n"},
      {R"("n":-1)", "n"},
      {R"("n":129)", "n"},
      {R"("n":4294967297)", "n"},
      {R"("n":1.5)", "n"},
      {R"("n":"1")", "n"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_tokens":1.5)", "max_tokens"},
      {R"("max_tokens":"16")", "max_tokens"},
      {R"("max_tokens":65)", "max_tokens", kContext},
      {R"("max_tokens":4294967298)", "max_tokens", kContext},
      {R"("max_tokens":9223372036854775807)", "max_tokens", kContext},
      {R"("max_tokens":18446744073709551615)", "max_tokens"},
      {R"("max_tokens":1e30)", "max_tokens"},
      {R"("min_tokens":-1)", "min_tokens"},
      {R"("min_tokens":17,"max_tokens":16)", "min_tokens"},
      {R"("min_tokens":65)", "min_tokens"},
      {R"("ignore_eos":1)", "ignore_eos"},
      {R"("seed":1.5)", "seed"},
      {R"("seed":"1")", "seed"},
      {R"("seed":1e30)", "seed"},
      {R"("seed":1e400)", "seed"},
      {R"("stop":"")", "stop"},
      {R"("stop":[""])", "stop"},
      {R"("stop":[1])", "stop"},
      {R"("stop":5)", "stop"},
      {R"("stop":{"a":1})", "stop"},
      {R"("stop":[)" + repeated("\"x\"", 17) + "]", "stop"},
      {R"("stop":")" + std::string(1025, 'x') + "\"", "stop"},
      {R"("stop_token_ids":[256])", "stop_token_ids"},
      {R"("stop_token_ids":[-1])", "stop_token_ids"},
      {R"("stop_token_ids":["1"])", "stop_token_ids"},
      {R"("stop_token_ids":7)", "stop_token_ids"},
      {R"("stop_token_ids":[)" + repeated("1", 129) + "]", "stop_token_ids"},
      {R"("logit_bias":[])", "logit_bias"},
      {R"("logit_bias":{"256":1})", "logit_bias"},
      {R"("logit_bias":{"-1":1})", "logit_bias"},
      {R"("logit_bias":{"1.0":1})", "logit_bias"},
      {R"("logit_bias":{"01":1})", "logit_bias"},
      {R"("logit_bias":{"":1})", "logit_bias"},
      {R"("logit_bias":{"hello":1})", "logit_bias"},
      {R"("logit_bias":{"4294967297":1})", "logit_bias"},
      {R"("logit_bias":{"1":101})", "logit_bias"},
      {R"("logit_bias":{"1":-100.5})", "logit_bias"},
      {R"("logit_bias":{"1":"5"})", "logit_bias"},
      {R"("logit_bias":{"1":null})", "logit_bias"},
      {R"("stream":"true")", "stream"},
      {R"("stream":1)", "stream"},
      {R"("stream_options":{"include_usage":true})", "stream_options"},
      {R"("stream":false,"stream_options":{})", "stream_options"},
      {R"("stream":true,"stream_options":[])", "stream_options"},
      {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
      {R"("stream":true,"stream_options":{"continuous_usage_stats":true})", "stream_options.continuous_usage_stats", kUnsupported},
      {R"("user":5)", "user"},
      {R"("user":")" + std::string(257, 'u') + "\"", "user"},
      {R"("cache_salt":1)", "cache_salt"},
      {R"("priority":"high")", "priority"},
      {R"("priority":2147483648)", "priority"},
      {R"("model":5)", "model"},
      {R"("model":["tiny"])", "model"},
      {R"("model":"gpt-4")", "model", ErrorCode::kModelNotFound},
      {R"("model":"../tiny")", "model", ErrorCode::kModelNotFound},
      {R"("model":"Tiny")", "model", ErrorCode::kModelNotFound},
      {R"("tools":[{"type":"function"}])", "tools", kUnsupported},
      {R"("tool_choice":"auto")", "tool_choice", kUnsupported},
      {R"("functions":[{"name":"f"}])", "functions", kUnsupported},
      {R"("response_format":{"type":"json_object"})", "response_format", kUnsupported},
      {R"("response_format":{"type":"text","x":1})", "response_format", kUnsupported},
      {R"("echo":true)", "echo", kUnsupported},
      {R"("suffix":"end")", "suffix", kUnsupported},
      {R"("prompt_logprobs":0)", "prompt_logprobs", kUnsupported},
      {R"("guided_json":{"type":"object"})", "guided_json", kUnsupported},
      {R"("guided_regex":"a+")", "guided_regex", kUnsupported},
      {R"("guided_choice":["a"])", "guided_choice", kUnsupported},
      {R"("guided_grammar":"root ::= x")", "guided_grammar", kUnsupported},
      {R"("structured_outputs":{"regex":"x"})", "structured_outputs", kUnsupported},
      {R"("grammar":"root ::= x")", "grammar", kUnsupported},
      {R"("logits_processors":["x"])", "logits_processors", kUnsupported},
      {R"("bad_words":["x"])", "bad_words", kUnsupported},
      {R"("use_beam_search":true)", "use_beam_search", kUnsupported},
      {R"("chat_template":"{{ x }}")", "chat_template", kUnsupported},
      {R"("chat_template_kwargs":{"chat_template":"x"})", "chat_template_kwargs", kUnsupported},
      {R"("typical_p":0.5)", "typical_p", kUnsupported},
      {R"("skip_special_tokens":false)", "skip_special_tokens", kUnsupported},
      {R"("modalities":["audio"])", "modalities", kUnsupported},
  };
  for (const Refused& row : table) {
    check_refused(completion(row.fields), row);
    check_refused(chat(row.fields), row);
  }
}

TEST_CASE("schema: prompts that are empty, mixed, out of the vocabulary or surely too long are refused") {
  const Refused table[] = {
      {"{}", "prompt"},
      {R"({"prompt":null})", "prompt"},
      {R"({"prompt":""})", "prompt"},
      {R"({"prompt":5})", "prompt"},
      {R"({"prompt":true})", "prompt"},
      {R"({"prompt":{}})", "prompt"},
      {R"({"prompt":[]})", "prompt"},
      {R"({"prompt":[[]]})", "prompt"},
      {R"({"prompt":[""]})", "prompt"},
      {R"({"prompt":["a",1]})", "prompt"},
      {R"({"prompt":[1,"a"]})", "prompt"},
      {R"({"prompt":["a",[1]]})", "prompt"},
      {R"({"prompt":[[1],"a"]})", "prompt"},
      {R"({"prompt":[[1],2]})", "prompt"},
      {R"({"prompt":[null]})", "prompt"},
      {R"({"prompt":[-1]})", "prompt"},
      {R"({"prompt":[256]})", "prompt"},
      {R"({"prompt":[1.5]})", "prompt"},
      {R"({"prompt":[true]})", "prompt"},
      {R"({"prompt":[4294967297]})", "prompt"},
      {R"({"prompt":[[1],[-5]]})", "prompt"},
      {R"({"prompt":[[[1]]]})", "prompt"},
      {R"({"prompt":")" + std::string(16 * 64 + 1, 'x') + "\"}", "prompt", ErrorCode::kContextLengthExceeded},
      {R"({"prompt":[)" + repeated("1", 65) + "]}", "prompt", ErrorCode::kContextLengthExceeded},
      {R"({"prompt":[)" + repeated("\"x\"", 1025) + "]}", "prompt"},
      {R"({"n":128,"prompt":[)" + repeated("\"x\"", 9) + "]}", "n"},
      {R"({"prompt":"x","logprobs":21})", "logprobs"},
      {R"({"prompt":"x","logprobs":-1})", "logprobs"},
      {R"({"prompt":"x","logprobs":true})", "logprobs"},
      {R"({"prompt":"x","best_of":2})", "best_of", ErrorCode::kUnsupported},
      {R"({"prompt":"x","best_of":0})", "best_of"},
      {R"({"prompt":"x","n":3,"best_of":2})", "best_of", ErrorCode::kUnsupported},
  };
  for (const Refused& row : table) check_refused(parse(ApiKind::kCompletion, row.fields), row);
}

TEST_CASE("schema: messages that are none are refused, with the place they stand at") {
  const ErrorCode kUnsupported = ErrorCode::kUnsupported;
  const Refused table[] = {
      {"{}", "messages"},
      {R"({"messages":null})", "messages"},
      {R"({"messages":[]})", "messages"},
      {R"({"messages":"hi"})", "messages"},
      {R"({"messages":{}})", "messages"},
      {R"({"messages":["hi"]})", "messages[0]"},
      {R"({"messages":[null]})", "messages[0]"},
      {R"({"messages":[{}]})", "messages[0].role"},
      {R"({"messages":[{"content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"wizard","content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":5,"content":"x"}]})", "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":null}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":5}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":{"text":"x"}}]})", "messages[0].content"},
      {R"({"messages":[{"role":"user","content":["x"]}]})", "messages[0].content[0]"},
      {R"({"messages":[{"role":"user","content":[{"text":"x"}]}]})", "messages[0].content[0].type"},
      {R"({"messages":[{"role":"user","content":[{"type":"text"}]}]})", "messages[0].content[0].text"},
      {R"({"messages":[{"role":"user","content":[{"type":"text","text":5}]}]})", "messages[0].content[0].text"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://169.254.169.254/"}}]}]})",
       "messages[0].content[0].type", kUnsupported},
      {R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"input_audio"}]}]})",
       "messages[1].content[0].type", kUnsupported},
      {R"({"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]})", "messages[0].tool_calls",
       kUnsupported},
      {R"({"messages":[{"role":"user","content":"x","name":5}]})", "messages[0].name"},
      {R"({"messages":[)" + repeated(R"({"role":"user","content":"x"})", 4097) + "]}", "messages"},
      {R"({"messages":[{"role":"user","content":")" + std::string(1025, 'x') + "\"}]}", "messages",
       ErrorCode::kContextLengthExceeded},
  };
  for (const Refused& row : table) check_refused(parse(ApiKind::kChat, row.fields), row);
  check_refused(chat(R"("add_generation_prompt":"yes")"), {"", "add_generation_prompt"});
  check_refused(chat(R"("continue_final_message":true)"), {"", "continue_final_message", kUnsupported});
  check_refused(chat(R"("max_completion_tokens":0)"), {"", "max_completion_tokens"});
  check_refused(chat(R"("max_completion_tokens":65)"), {"", "max_completion_tokens", ErrorCode::kContextLengthExceeded});
  check_refused(chat(R"("logprobs":1)"), {"", "logprobs"});
  check_refused(chat(R"("logprobs":true,"top_logprobs":21)"), {"", "top_logprobs"});
  check_refused(chat(R"("top_logprobs":2)"), {"", "top_logprobs"});
}

TEST_CASE("schema: bodies that are no JSON object are refused") {
  for (const char* body : {"", "[]", "null", "\"x\"", "5", "{", "{\"prompt\":\"x\"} {}", "prompt=x", "{\"prompt\":\"\xff\"}"}) {
    CAPTURE(body);
    Result<ApiRequest> request = parse(ApiKind::kCompletion, body);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code == ErrorCode::kInvalidRequest);
  }
}

TEST_CASE("schema: limits themselves, nulls, unknown and neutral fields pass") {
  const std::string table[] = {
      "", R"("temperature":0)", R"("temperature":2)", R"("temperature":null)", R"("top_p":1)", R"("top_p":0.000001)",
      R"("top_k":-1)", R"("top_k":0)", R"("top_k":2147483647)", R"("min_p":0,"min_p":1)", R"("repetition_penalty":2)",
      R"("presence_penalty":-2,"frequency_penalty":2)", R"("n":1)", R"("n":128)", R"("n":null)", R"("max_tokens":64)",
      R"("max_tokens":16.0)", R"("max_tokens":null)", R"("min_tokens":0)", R"("max_tokens":5,"min_tokens":5)",
      R"("ignore_eos":false)", R"("seed":-9223372036854775808)", R"("seed":18446744073709551615)", R"("seed":null)",
      R"("stop":null)", R"("stop":[])", R"("stop":"x")", R"("stop":[)" + repeated("\"x\"", 16) + "]",
      R"("stop":")" + std::string(1024, 'x') + "\"", R"("stop_token_ids":[0,255])", R"("logit_bias":{})", R"("logit_bias":null)",
      R"("logit_bias":{"0":-100,"255":100})", R"("stream":null)", R"("stream":true,"stream_options":null)",
      R"("stream":true,"stream_options":{"include_usage":null,"unknown":1})", R"("stream":false,"stream_options":null)",
      R"("user":"me")", R"("priority":-5)", R"("model":"tiny")", R"("model":"small")", R"("model":"")", R"("model":null)",
      R"("model":"dummy")", R"("model":"tgi")", R"("tools":null)", R"("tools":[])", R"("tool_choice":"none")",
      R"("functions":[])", R"("response_format":{"type":"text"})", R"("response_format":null)", R"("echo":false)",
      R"("suffix":null)", R"("suffix":"")", R"("prompt_logprobs":null)", R"("guided_json":null)", R"("bad_words":[])",
      R"("typical_p":1.0)", R"("skip_special_tokens":true)", R"("modalities":["text"])", R"("chat_template_kwargs":{})",
      R"("metadata":{"a":"b"},"store":false,"service_tier":"auto","whatever":[[{"x":null}]])",
  };
  for (const std::string& fields : table) {
    CAPTURE(fields.substr(0, 100));
    Result<ApiRequest> one = completion(fields);
    CAPTURE(one.ok() ? std::string() : one.error().message);
    CHECK(one.ok());
    CHECK(chat(fields).ok());
  }
}

TEST_CASE("schema: a plain completion has OpenAI's defaults") {
  Result<ApiRequest> parsed = completion("");
  REQUIRE(parsed.ok());
  REQUIRE(parsed->sequences.size() == 1);
  const Request& request = parsed->sequences[0];
  CHECK(request.stop.max_tokens == 16);
  CHECK(request.sampling.temperature == 1.0F);
  CHECK(request.sampling.top_p == 1.0F);
  CHECK(request.sampling.top_k == 0);
  CHECK_FALSE(request.sampling.seed.has_value());
  CHECK(request.logprobs == -1);
  CHECK(request.model == "tiny");
  CHECK(request.external_id == "req-1");
  CHECK(request.tenant == "tenant");
  CHECK_FALSE(parsed->stream);
  CHECK(std::get<std::string>(request.prompt) == "hi");
  Result<ApiRequest> talk = chat("");
  REQUIRE(talk.ok());
  CHECK(talk->sequences[0].stop.max_tokens == 0);
  CHECK(std::get<ChatPrompt>(talk->sequences[0].prompt).add_generation_prompt);
}

TEST_CASE("schema: every field arrives where it belongs") {
  Result<ApiRequest> parsed = completion(
      R"("max_tokens":9,"temperature":0.5,"top_p":0.25,"top_k":7,"min_p":0.125,"repetition_penalty":1.5,"presence_penalty":-1,)"
      R"("frequency_penalty":2,"logit_bias":{"200":3,"7":-1.5},"seed":12345678901234567890,"stop":["a","b"],"stop_token_ids":[3,1],)"
      R"("min_tokens":2,"ignore_eos":true,"logprobs":4,"stream":true,"stream_options":{"include_usage":true},"cache_salt":"s","priority":-3)");
  REQUIRE(parsed.ok());
  const Request& request = parsed->sequences[0];
  CHECK(request.stop.max_tokens == 9);
  CHECK(request.sampling.temperature == 0.5F);
  CHECK(request.sampling.top_p == 0.25F);
  CHECK(request.sampling.top_k == 7);
  CHECK(request.sampling.min_p == 0.125F);
  CHECK(request.sampling.repetition_penalty == 1.5F);
  CHECK(request.sampling.presence_penalty == -1.0F);
  CHECK(request.sampling.frequency_penalty == 2.0F);
  CHECK(request.sampling.logit_bias == std::vector<std::pair<TokenId, float>>{{7, -1.5F}, {200, 3.0F}});
  CHECK(request.sampling.seed == 12345678901234567890ULL);
  CHECK(request.stop.stop == std::vector<std::string>{"a", "b"});
  CHECK(request.stop.stop_token_ids == std::vector<TokenId>{3, 1});
  CHECK(request.stop.min_tokens == 2);
  CHECK(request.stop.ignore_eos);
  CHECK(request.logprobs == 4);
  CHECK(request.cache_salt == "s");
  CHECK(request.priority == -3);
  CHECK(parsed->stream);
  CHECK(parsed->include_usage);
  CHECK(parsed->logprobs);
  CHECK_FALSE(completion(R"("seed":-1)")->sequences[0].sampling.seed.has_value());
  CHECK(completion(R"("seed":-2)")->sequences[0].sampling.seed == 18446744073709551614ULL);
}

TEST_CASE("schema: prompts times n are sequences in the order of the wire") {
  Result<ApiRequest> parsed = parse(ApiKind::kCompletion, R"({"prompt":[[1,2],[3]],"n":3})");
  REQUIRE(parsed.ok());
  REQUIRE(parsed->sequences.size() == 6);
  CHECK(parsed->choices_per_prompt == 3);
  CHECK(std::get<std::vector<TokenId>>(parsed->sequences[2].prompt) == std::vector<TokenId>{1, 2});
  CHECK(std::get<std::vector<TokenId>>(parsed->sequences[3].prompt) == std::vector<TokenId>{3});
  CHECK(parsed->sequences[2].choice == 2);
  CHECK(parsed->sequences[3].choice == 0);
  CHECK(parse(ApiKind::kCompletion, R"({"prompt":[1,2,3]})")->sequences.size() == 1);
  CHECK(parse(ApiKind::kCompletion, R"({"prompt":["a","b"]})")->sequences.size() == 2);
}

TEST_CASE("schema: a chat's parts are joined, nulls of clients are taken for nothing") {
  Result<ApiRequest> parsed = parse(ApiKind::kChat, R"({"max_tokens":3,"max_completion_tokens":5,"logprobs":true,"top_logprobs":2,
      "messages":[{"role":"system","content":"be brief","name":null,"tool_calls":null},
                  {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"bob"},
                  {"role":"assistant","content":null,"refusal":null}]})");
  REQUIRE(parsed.ok());
  const Request& request = parsed->sequences[0];
  const ChatPrompt& prompt = std::get<ChatPrompt>(request.prompt);
  REQUIRE(prompt.messages.size() == 3);
  CHECK(prompt.messages[1].content == "a\nb");
  CHECK(prompt.messages[1].name == "bob");
  CHECK(prompt.messages[2].content.empty());
  CHECK(request.stop.max_tokens == 5);
  CHECK(request.logprobs == 2);
  CHECK(chat(R"("logprobs":true)")->sequences[0].logprobs == 0);
  CHECK(chat(R"("logprobs":false,"top_logprobs":0)")->sequences[0].logprobs == -1);
}

TEST_CASE("schema: many choices of a long prompt are bounded by the bytes of their copies") {
  ModelCard card;
  card.name = "long";
  card.context_length = 1U << 20;
  card.vocab_size = 10;
  ModelCatalog one({card});
  RequestOrigin origin;
  origin.catalog = &one;
  std::string body = R"({"n":128,"prompt":")" + std::string(1U << 20, 'x') + "\"}";
  Result<ApiRequest> parsed = parse_request(ApiKind::kCompletion, std::string_view(body), origin);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().param == "n");
}

TEST_CASE("schema: without a name a server of several models cannot choose") {
  ModelCard a, b;
  a.name = "a";
  b.name = "b";
  ModelCatalog two({a, b});
  RequestOrigin origin;
  origin.catalog = &two;
  Result<ApiRequest> parsed = parse_request(ApiKind::kCompletion, std::string_view(R"({"prompt":"x"})"), origin);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().param == "model");
}

TEST_CASE("schema: tokenize and detokenize speak vLLM's shapes") {
  Result<TokenizeRequest> text = parse_tokenize(R"({"model":"tiny","prompt":"ab","return_token_strs":true})", catalog());
  REQUIRE(text.ok());
  CHECK(text->job.add_special);
  const TokenId tokens[] = {97, 98};
  CHECK(tokenize_answer(*text, tokens) == R"({"count":2,"max_model_len":64,"tokens":[97,98],"token_strs":["a","b"]})");
  Result<TokenizeRequest> talk = parse_tokenize(R"({"messages":[{"role":"user","content":"x"}]})", catalog());
  REQUIRE(talk.ok());
  CHECK_FALSE(talk->job.add_special);
  CHECK(tokenize_answer(*talk, {}) == R"({"count":0,"max_model_len":64,"tokens":[],"token_strs":null})");
  CHECK(parse_tokenize(R"({"prompt":""})", catalog()).ok());
  for (const char* bad : {"{}", R"({"prompt":5})", R"({"prompt":["a"]})", R"({"messages":[]})", R"({"prompt":"a","add_special_tokens":1})",
                          R"({"prompt":"a","model":"nope"})", "[]", ""}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_tokenize(bad, catalog()).ok());
  }
  CHECK(parse_detokenize(R"({"tokens":[97]})", catalog())->tokens == std::vector<TokenId>{97});
  for (const char* bad : {"{}", R"({"tokens":5})", R"({"tokens":[256]})", R"({"tokens":[-1]})", R"({"tokens":["a"]})", R"({"tokens":null})"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_detokenize(bad, catalog()).ok());
  }
  CHECK(detokenize_answer("a\"") == R"({"prompt":"a\""})");
}
