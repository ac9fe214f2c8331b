// Bodies of /v1/completions and /v1/chat/completions: what is refused, and how.
#include <catch2/catch.hpp>

#include "test/net/request_bodies.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

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
      {R"("stream":true,"stream_options":{"continuous_usage_stats":true})", "stream_options.continuous_usage_stats",
       kUnsupported},
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
      {R"("suffix":"end")", "suffix", kUnsupported},
      {R"("prompt_logprobs":-1)", "prompt_logprobs"},
      {R"("prompt_logprobs":21)", "prompt_logprobs"},
      {R"("prompt_logprobs":true)", "prompt_logprobs"},
      {R"("prompt_logprobs":0,"stream":true)", "prompt_logprobs"},
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
      {R"("mirostat":2)", "mirostat", kUnsupported},
      {R"("typical_p":0)", "typical_p", ErrorCode::kInvalidRequest},
      {R"("typical_p":1.5)", "typical_p", ErrorCode::kInvalidRequest},
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
      {R"({"prompt":"x","best_of":0})", "best_of"},
      {R"({"prompt":"x","best_of":129})", "best_of"},
      {R"({"prompt":"x","n":3,"best_of":2})", "best_of"},
      {R"({"prompt":"x","best_of":2,"stream":true})", "best_of"},
      {R"({"best_of":128,"prompt":[)" + repeated("\"x\"", 9) + "]}", "n"},
      {R"({"prompt":"x","echo":1})", "echo"},
      {R"({"prompt":"x","echo":true,"max_tokens":-1})", "max_tokens"},
      {R"({"prompt":"x","echo":false,"max_tokens":0})", "max_tokens"},
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
  check_refused(chat(R"("continue_final_message":1)"), {"", "continue_final_message"});
  check_refused(chat(R"("continue_final_message":true,"add_generation_prompt":true)"), {"", "continue_final_message"});
  check_refused(chat(R"("chat_template_kwargs":"x")"), {"", "chat_template_kwargs"});
  check_refused(completion(R"("continue_final_message":true)"), {"", "continue_final_message", kUnsupported});
  check_refused(completion(R"("chat_template_kwargs":{"x":1})"), {"", "chat_template_kwargs", kUnsupported});
  check_refused(chat(R"("max_completion_tokens":0)"), {"", "max_completion_tokens"});
  check_refused(chat(R"("max_completion_tokens":65)"),
                {"", "max_completion_tokens", ErrorCode::kContextLengthExceeded});
  check_refused(chat(R"("logprobs":1)"), {"", "logprobs"});
  check_refused(chat(R"("echo":true)"), {"", "echo", ErrorCode::kUnsupported});
  check_refused(chat(R"("logprobs":true,"top_logprobs":21)"), {"", "top_logprobs"});
  check_refused(chat(R"("top_logprobs":2)"), {"", "top_logprobs"});
}

TEST_CASE("schema: bodies that are no JSON object are refused") {
  for (const char* body :
       {"", "[]", "null", "\"x\"", "5", "{", "{\"prompt\":\"x\"} {}", "prompt=x", "{\"prompt\":\"\xff\"}"}) {
    CAPTURE(body);
    Result<ApiRequest> request = parse(ApiKind::kCompletion, body);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code == ErrorCode::kInvalidRequest);
  }
}

TEST_CASE("schema: a limit that has no end is not said as one") {
  CHECK(completion(R"("max_tokens":0)").error().message == "max_tokens is 0; it must be at least 1");
  CHECK(completion(R"("echo":true,"max_tokens":-1)").error().message == "max_tokens is -1; it must be at least 0");
  CHECK(completion(R"("n":0)").error().message == "n is 0; it must be between 1 and 128");
}
