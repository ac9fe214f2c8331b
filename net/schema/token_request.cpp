#include "net/schema/token_request.hpp"

#include <boost/json.hpp>

#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"
#include "net/schema/model_field.hpp"
#include "net/schema/prompt_field.hpp"
#include "net/schema/unsupported_fields.hpp"

namespace troupe {

Result<TokenizeRequest> parse_tokenize(std::string_view body, const ModelCatalog& catalog) {
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  std::optional<Error> error;
  JsonFields fields(value->get_object(), error);
  TokenizeRequest request;
  request.card = read_model(fields, error, catalog);
  if (error) return *error;

  refuse_unsupported(fields);
  bool is_chat = fields.find("messages") != nullptr;
  if (is_chat)
    request.job.prompt = read_chat_prompt(fields, error, *request.card);
  else
    request.job.prompt = fields.text("prompt", kBytesPerTokenMax * request.card->context_length);
  if (!is_chat && fields.find("prompt") == nullptr) fields.refuse("prompt", " or messages is required");
  // A chat template writes the special tokens itself.
  request.job.add_special = fields.boolean("add_special_tokens", !is_chat);
  request.want_strings = fields.boolean("return_token_strs", false);
  if (error) return *error;
  return request;
}

Result<DetokenizeRequest> parse_detokenize(std::string_view body, const ModelCatalog& catalog) {
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  std::optional<Error> error;
  JsonFields fields(value->get_object(), error);
  DetokenizeRequest request;
  request.card = read_model(fields, error, catalog);
  if (error) return *error;

  const boost::json::value* tokens = fields.find("tokens");
  if (tokens == nullptr || !tokens->is_array())
    fields.refuse("tokens", " must be a list of token ids");
  else
    request.tokens = read_token_ids(fields, "tokens", *tokens, *request.card);
  if (error) return *error;
  return request;
}

std::string tokenize_answer(const TokenizeRequest& request, std::span<const TokenId> tokens) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("count", tokens.size()).field("max_model_len", request.card->context_length);
  json.key("tokens").begin_array();
  for (TokenId token : tokens) json.value(token);
  json.end_array().key("token_strs");
  if (request.want_strings && request.card->codec != nullptr) {
    json.begin_array();
    for (TokenId token : tokens) json.value(request.card->codec->token_bytes(token));
    json.end_array();
  } else {
    json.null();
  }
  json.end_object();
  return out;
}

std::string detokenize_answer(std::string_view text) {
  std::string out;
  JsonWriter(out).begin_object().field("prompt", text).end_object();
  return out;
}

}  // namespace troupe
