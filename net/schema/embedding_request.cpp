#include "net/schema/embedding_request.hpp"

#include <bit>
#include <boost/json.hpp>
#include <vector>

#include "net/schema/base64.hpp"
#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"
#include "net/schema/model_field.hpp"
#include "net/schema/prompt_field.hpp"
#include "net/schema/serving_fields.hpp"
#include "net/schema/unsupported_fields.hpp"

namespace troupe {
namespace {

// One of two words; absent: the first. True: the second.
bool is_second(JsonFields& fields, const char* name, std::string_view first, std::string_view second) {
  std::string word = fields.text(name, kNameBytesMax);
  if (word.empty() || word == first) return false;
  if (word != second) {
    fields.refuse(name, " must be \"" + std::string(first) + "\" or \"" + std::string(second) + "\", not " +
                            brief(*fields.find(name)));
  }
  return true;
}

// The model was not trained to be cut short, so its vectors are not.
void check_dimensions(JsonFields& fields, std::uint32_t size) {
  std::int64_t asked = fields.integer("dimensions", 1, size, size);
  if (asked == static_cast<std::int64_t>(size)) return;
  fields.refuse("dimensions",
                " is " + std::to_string(asked) + "; this model's embeddings have " + std::to_string(size) +
                    " values and are not shortened",
                ErrorCode::kUnsupported);
}

void append_vector(std::string& out, JsonWriter& json, std::span<const float> vector, bool base64) {
  if (!base64) {
    json.begin_array();
    for (float value : vector) json.value(value);
    json.end_array();
    return;
  }
  std::vector<std::uint8_t> bytes;
  bytes.reserve(vector.size() * sizeof(float));
  for (float value : vector) {
    auto bits = std::bit_cast<std::uint32_t>(value);
    for (unsigned shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<std::uint8_t>(bits >> shift));
  }
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

}  // namespace

Result<ApiRequest> parse_embedding_request(std::string_view body, const RequestOrigin& origin) {
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  std::optional<Error> error;
  JsonFields fields(value->get_object(), error);
  const ModelCard* card = read_model(fields, error, *origin.catalog);
  if (card == nullptr) return *error;
  if (card->embedding_size == 0) {
    return Error{ErrorCode::kUnsupported, "model \"" + card->name + "\" makes no embeddings", "model", 0};
  }

  refuse_unsupported(fields);
  refuse_completion_fields(fields);
  std::vector<PromptInput> inputs = read_prompts(fields, {"input", kEmbeddingInputsMax}, *card);
  ApiRequest request;
  request.kind = ApiKind::kEmbedding;
  request.card = card;
  request.at_once = kEmbeddingsAtOnce;
  request.base64 = is_second(fields, "encoding_format", "float", "base64");
  bool is_last = is_second(fields, "pooling", "mean", "last");
  check_dimensions(fields, card->embedding_size);
  ServingFields serving = read_serving_fields(fields);
  if (error) return *error;

  Request shared = serving_request(serving, origin, *card);
  shared.pooling = is_last ? Pooling::kLast : Pooling::kMean;
  shared.sampling.temperature = 0.0F;
  shared.stop.max_tokens = 1;
  request.sequences.assign(inputs.size(), shared);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    request.sequences[i].prompt = std::move(inputs[i]);
    request.sequences[i].choice = static_cast<std::uint32_t>(i);
  }
  return request;
}

void append_embeddings(std::string& out, const ApiRequest& request, std::span<const ResponseStream::Chunk> chunks) {
  JsonWriter json(out);
  json.begin_object().field("object", "list").key("data").begin_array();
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    json.begin_object().field("object", "embedding").field("index", i).key("embedding");
    append_vector(out, json, chunks[i].embedding, request.base64);
    json.end_object();
    tokens += chunks[i].usage.prompt_tokens;
  }
  json.end_array().field("model", request.card->name).key("usage").begin_object();
  json.field("prompt_tokens", tokens).field("total_tokens", tokens).end_object().end_object();
}

}  // namespace troupe
