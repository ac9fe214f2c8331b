#include "net/schema/logprobs_object.hpp"

#include <algorithm>

#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

std::string bytes_of_token(const TextCodec* codec, TokenId token) {
  return codec != nullptr ? codec->token_bytes(token) : "token_id:" + std::to_string(token);
}

// A token that is a part of a character cannot be shown in "token"; "bytes" has it exactly.
void append_token(JsonWriter& json, const TextCodec* codec, TokenId token, float logprob) {
  std::string bytes = bytes_of_token(codec, token);
  json.field("token", bytes).field("logprob", logprob).key("bytes").begin_array();
  for (char byte : bytes) json.value(static_cast<unsigned>(static_cast<unsigned char>(byte)));
  json.end_array();
}

// The likeliest tokens by their text, and the one that stands there if it is not among them.
void append_top(JsonWriter& json, const LoggedToken& token, const TextCodec* codec) {
  if (!token.has_logprob) {
    json.null();
    return;
  }
  json.begin_object();
  bool is_listed = false;
  for (const TopToken& top : token.top) {
    json.field(bytes_of_token(codec, top.token), top.logprob);
    is_listed = is_listed || top.token == token.id;
  }
  if (!is_listed) json.field(bytes_of_token(codec, token.id), token.logprob);
  json.end_object();
}

}  // namespace

void append_chat_logprobs(JsonWriter& json, std::span<const StreamToken> tokens, const TextCodec* codec) {
  json.begin_object().key("content").begin_array();
  for (const StreamToken& token : tokens) {
    json.begin_object();
    append_token(json, codec, token.id, token.logprob);
    json.key("top_logprobs").begin_array();
    for (const TopToken& top : token.top) {
      json.begin_object();
      append_token(json, codec, top.token, top.logprob);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().key("refusal").null().end_object();
}

void append_logged(std::vector<LoggedToken>& logged, const PromptPart& prompt, std::size_t alternatives) {
  for (const PromptToken& token : prompt.tokens) {
    std::span<const TopToken> top = token.score.top;
    logged.push_back({token.id, token.score.rank > 0, token.score.logprob, token.text_begin,
                      top.first(std::min(alternatives, top.size()))});
  }
}

void append_logged(std::vector<LoggedToken>& logged, std::span<const StreamToken> tokens, std::size_t text_before) {
  for (const StreamToken& token : tokens) {
    logged.push_back({token.id, true, token.logprob, text_before + token.text_begin, token.top});
  }
}

void append_completion_logprobs(JsonWriter& json, std::span<const LoggedToken> tokens, const TextCodec* codec,
                                std::string_view text, TextPosition position) {
  json.begin_object().key("tokens").begin_array();
  for (const LoggedToken& token : tokens) json.value(bytes_of_token(codec, token.id));
  json.end_array().key("token_logprobs").begin_array();
  for (const LoggedToken& token : tokens) token.has_logprob ? json.value(token.logprob) : json.null();
  json.end_array().key("top_logprobs").begin_array();
  for (const LoggedToken& token : tokens) append_top(json, token, codec);
  json.end_array().key("text_offset").begin_array();
  std::size_t counted = 0;  // bytes of `text`; tokens begin in ascending order
  for (const LoggedToken& token : tokens) {
    std::uint64_t into = token.text_begin - std::min<std::uint64_t>(token.text_begin, position.bytes);
    std::size_t begin = std::min<std::size_t>(into, text.size());
    if (begin > counted) {
      position.characters += count_characters(text.substr(counted, begin - counted));
      counted = begin;
    }
    json.value(position.characters);
  }
  json.end_array().end_object();
}

void append_prompt_logprobs(JsonWriter& json, const PromptPart& prompt, const TextCodec* codec,
                            std::size_t alternatives) {
  auto append = [&](TokenId token, float logprob, std::uint32_t rank) {
    json.key(std::to_string(token)).begin_object().field("logprob", logprob).field("rank", rank);
    json.field("decoded_token", bytes_of_token(codec, token)).end_object();
  };
  json.begin_array();
  for (const PromptToken& token : prompt.tokens) {
    const PromptScore& score = token.score;
    if (score.rank == 0) {
      json.null();
      continue;
    }
    json.begin_object();
    append(token.id, score.logprob, score.rank);
    for (std::uint32_t i = 0; i < std::min(alternatives, score.top.size()); ++i) {
      if (score.top[i].token != token.id) append(score.top[i].token, score.top[i].logprob, i + 1);
    }
    json.end_object();
  }
  json.end_array();
}

}  // namespace troupe
