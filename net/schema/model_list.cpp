#include "net/schema/model_list.hpp"

#include "net/schema/json_writer.hpp"

namespace troupe {

std::string model_object(const ModelCard& card) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("id", card.name).field("object", "model").field("created", card.created_s);
  json.field("owned_by", "troupe").field("root", card.name).key("parent").null();
  json.field("max_model_len", card.context_length).field("architecture", card.architecture);
  json.field("quantization", card.quantization).end_object();
  return out;
}

std::string model_list(const ModelCatalog& catalog) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (const ModelCard& card : catalog.cards()) json.raw(model_object(card));
  json.end_array().end_object();
  return out;
}

std::string version_object(std::string_view version, const ModelCatalog& catalog) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("version", version);
  if (!catalog.cards().empty()) {
    const ModelCard& card = catalog.cards().front();
    json.field("model", card.name).field("device", card.device).field("numerics_class", card.numerics_class);
  }
  json.end_object();
  return out;
}

}  // namespace troupe
