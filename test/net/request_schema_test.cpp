// Bodies of /v1/completions and /v1/chat/completions that are taken, and what becomes of them; /tokenize.
#include <catch2/catch.hpp>

#include "net/schema/token_request.hpp"
#include "test/net/request_bodies.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("schema: limits themselves, nulls, unknown and neutral fields pass") {
  const std::string table[] = {
      "",
      R"("temperature":0)",
      R"("temperature":2)",
      R"("temperature":null)",
      R"("top_p":1)",
      R"("top_p":0.000001)",
      R"("top_k":-1)",
      R"("top_k":0)",
      R"("top_k":2147483647)",
      R"("min_p":0,"min_p":1)",
      R"("repetition_penalty":2)",
      R"("presence_penalty":-2,"frequency_penalty":2)",
      R"("n":1)",
      R"("n":128)",
      R"("n":null)",
      R"("max_tokens":64)",
      R"("max_tokens":16.0)",
      R"("max_tokens":null)",
      R"("min_tokens":0)",
      R"("max_tokens":5,"min_tokens":5)",
      R"("ignore_eos":false)",
      R"("seed":-9223372036854775808)",
      R"("seed":18446744073709551615)",
      R"("seed":null)",
      R"("stop":null)",
      R"("stop":[])",
      R"("stop":"x")",
      R"("stop":[)" + repeated("\"x\"", 16) + "]",
      R"("stop":")" + std::string(1024, 'x') + "\"",
      R"("stop_token_ids":[0,255])",
      R"("logit_bias":{})",
      R"("logit_bias":null)",
      R"("logit_bias":{"0":-100,"255":100})",
      R"("stream":null)",
      R"("stream":true,"stream_options":null)",
      R"("stream":true,"stream_options":{"include_usage":null,"unknown":1})",
      R"("stream":false,"stream_options":null)",
      R"("user":"me")",
      R"("priority":-5)",
      R"("model":"tiny")",
      R"("model":"small")",
      R"("model":"")",
      R"("model":null)",
      R"("model":"dummy")",
      R"("model":"tgi")",
      R"("tools":null)",
      R"("tools":[])",
      R"("tool_choice":"none")",
      R"("functions":[])",
      R"("response_format":{"type":"text"})",
      R"("response_format":null)",
      R"("echo":false)",
      R"("suffix":null)",
      R"("suffix":"")",
      R"("prompt_logprobs":null)",
      R"("guided_json":null)",
      R"("bad_words":[])",
      R"("typical_p":1.0)",
      R"("skip_special_tokens":true)",
      R"("modalities":["text"])",
      R"("chat_template_kwargs":{})",
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

TEST_CASE("D6: a request's deadline counts from its arrival, and the nearer of field and header holds") {
  Result<ApiRequest> parsed = completion(R"("timeout_ms":1500,"user":"ann")");
  REQUIRE(parsed.ok());
  const Request& request = parsed->sequences[0];
  REQUIRE(request.deadline);
  CHECK(*request.deadline - request.arrived == std::chrono::milliseconds(1500));
  CHECK(request.user == "ann");
  CHECK_FALSE(completion("")->sequences[0].deadline);
  CHECK(completion(R"("timeout_ms":0)").error().param == "timeout_ms");
  CHECK(completion(R"("timeout_ms":86400001)").error().param == "timeout_ms");
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

TEST_CASE("schema: what is said of the prompt, and how many answers are drawn for those shown") {
  Result<ApiRequest> plain = completion("");
  CHECK_FALSE(plain->sequences[0].shows_prompt());
  CHECK_FALSE(plain->sequences[0].only_prompt);

  Result<ApiRequest> scoring = completion(R"("echo":true,"logprobs":2,"max_tokens":0)");
  REQUIRE(scoring.ok());
  CHECK(scoring->echo);
  CHECK(scoring->prompt_logprobs == -1);
  CHECK(scoring->sequences[0].echo);
  CHECK(scoring->sequences[0].only_prompt);
  CHECK(scoring->sequences[0].prompt_logprobs == 2);

  Result<ApiRequest> echoing = completion(R"("echo":true)");
  CHECK(echoing->sequences[0].prompt_logprobs == -1);
  CHECK_FALSE(echoing->sequences[0].only_prompt);
  CHECK(echoing->sequences[0].stop.max_tokens == 16);

  Result<ApiRequest> both = completion(R"("echo":true,"logprobs":2,"prompt_logprobs":5)");
  CHECK(both->prompt_logprobs == 5);
  CHECK(both->sequences[0].prompt_logprobs == 5);
  CHECK(both->sequences[0].logprobs == 2);
  CHECK(chat(R"("prompt_logprobs":0)")->sequences[0].prompt_logprobs == 0);
  CHECK_FALSE(chat(R"("prompt_logprobs":0)")->sequences[0].only_prompt);

  Result<ApiRequest> best = completion(R"("n":2,"best_of":5)");
  REQUIRE(best.ok());
  CHECK(best->sequences.size() == 5);
  CHECK(best->choices_per_prompt == 5);
  CHECK(best->shown_per_prompt == 2);
  CHECK_FALSE(best->logprobs);
  CHECK(best->sequences[4].logprobs == 0);  // to compare them by
  CHECK(best->sequences[4].choice == 4);
  CHECK(completion(R"("n":2,"best_of":2,"stream":true)")->sequences[0].logprobs == -1);
}

TEST_CASE("schema: a chat's parts are kept as they came, nulls of clients are taken for nothing") {
  Result<ApiRequest> parsed =
      parse(ApiKind::kChat, R"({"max_tokens":3,"max_completion_tokens":5,"logprobs":true,"top_logprobs":2,
      "messages":[{"role":"system","content":"be brief","name":null,"tool_calls":null},
                  {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"bob"},
                  {"role":"assistant","content":null,"refusal":null}]})");
  REQUIRE(parsed.ok());
  const Request& request = parsed->sequences[0];
  const ChatPrompt& prompt = std::get<ChatPrompt>(request.prompt);
  REQUIRE(prompt.messages.size() == 3);
  CHECK(prompt.messages[0].content == "be brief");
  CHECK(prompt.messages[0].parts.empty());
  CHECK(prompt.messages[1].content.empty());
  CHECK(prompt.messages[1].parts == std::vector<std::string>{"a", "b"});
  CHECK(prompt.messages[1].name == "bob");
  CHECK(prompt.messages[2].content.empty());
  CHECK(request.stop.max_tokens == 5);
  CHECK(request.logprobs == 2);
  CHECK(chat(R"("logprobs":true)")->sequences[0].logprobs == 0);
  CHECK(chat(R"("logprobs":false,"top_logprobs":0)")->sequences[0].logprobs == -1);
}

TEST_CASE("schema: what a chat says to its template is passed on") {
  auto prompt = [](const char* fields) {
    Result<ApiRequest> parsed = chat(fields);
    REQUIRE(parsed.ok());
    return std::get<ChatPrompt>(parsed->sequences[0].prompt);
  };
  CHECK(prompt("").template_arguments.empty());
  CHECK(prompt("").add_generation_prompt);
  CHECK(prompt(R"("chat_template_kwargs":{"enable_thinking":false, "date_string":"26 Jul 2024"})").template_arguments ==
        R"({"enable_thinking":false,"date_string":"26 Jul 2024"})");
  CHECK(prompt(R"("continue_final_message":true)").continue_final_message);
  CHECK_FALSE(prompt(R"("continue_final_message":true)").add_generation_prompt);
  CHECK_FALSE(prompt(R"("continue_final_message":false,"add_generation_prompt":false)").add_generation_prompt);
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
  Result<TokenizeRequest> text =
      parse_tokenize(R"({"model":"tiny","prompt":"ab","return_token_strs":true})", catalog());
  REQUIRE(text.ok());
  CHECK(text->job.add_special);
  const TokenId tokens[] = {97, 98};
  CHECK(tokenize_answer(*text, tokens) == R"({"count":2,"max_model_len":64,"tokens":[97,98],"token_strs":["a","b"]})");
  Result<TokenizeRequest> talk = parse_tokenize(R"({"messages":[{"role":"user","content":"x"}]})", catalog());
  REQUIRE(talk.ok());
  CHECK_FALSE(talk->job.add_special);
  CHECK(tokenize_answer(*talk, {}) == R"({"count":0,"max_model_len":64,"tokens":[],"token_strs":null})");
  CHECK(parse_tokenize(R"({"prompt":""})", catalog()).ok());
  for (const char* bad : {"{}", R"({"prompt":5})", R"({"prompt":["a"]})", R"({"messages":[]})",
                          R"({"prompt":"a","add_special_tokens":1})", R"({"prompt":"a","model":"nope"})", "[]", ""}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_tokenize(bad, catalog()).ok());
  }
  CHECK(parse_detokenize(R"({"tokens":[97]})", catalog())->tokens == std::vector<TokenId>{97});
  for (const char* bad : {"{}", R"({"tokens":5})", R"({"tokens":[256]})", R"({"tokens":[-1]})", R"({"tokens":["a"]})",
                          R"({"tokens":null})"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_detokenize(bad, catalog()).ok());
  }
  CHECK(detokenize_answer("a\"") == R"({"prompt":"a\""})");
}
