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

void append_completion_logprobs(JsonWriter& json, std::span<const StreamToken> tokens, const TextCodec* codec,
                                std::string_view text, TextPosition position) {
  json.begin_object().key("tokens").begin_array();
  for (const StreamToken& token : tokens) json.value(bytes_of_token(codec, token.id));
  json.end_array().key("token_logprobs").begin_array();
  for (const StreamToken& token : tokens) json.value(token.logprob);
  json.end_array().key("top_logprobs").begin_array();
  for (const StreamToken& token : tokens) {
    json.begin_object();
    bool chosen_is_listed = false;
    for (const TopToken& top : token.top) {
      json.field(bytes_of_token(codec, top.token), top.logprob);
      chosen_is_listed = chosen_is_listed || top.token == token.id;
    }
    if (!chosen_is_listed) json.field(bytes_of_token(codec, token.id), token.logprob);
    json.end_object();
  }
  json.end_array().key("text_offset").begin_array();
  std::size_t counted = 0;  // bytes of `text`; tokens begin in ascending order
  for (const StreamToken& token : tokens) {
    std::size_t begin =
        std::min<std::size_t>(token.text_begin - std::min(token.text_begin, position.bytes), text.size());
    if (begin > counted) {
      position.characters += count_characters(text.substr(counted, begin - counted));
      counted = begin;
    }
    json.value(position.characters);
  }
  json.end_array().end_object();
}

}  // namespace troupe
