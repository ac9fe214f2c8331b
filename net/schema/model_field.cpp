#include "net/schema/model_field.hpp"

#include "net/schema/api_request.hpp"
#include "net/schema/utf8.hpp"

namespace troupe {

Error model_not_found(std::string_view name) {
  std::string shown(cut_utf8(name, kNameBytesMax));
  return Error{ErrorCode::kModelNotFound,
               "the model '" + shown + "' does not exist here; GET /v1/models lists those that do", "model", 0};
}

const ModelCard* read_model(JsonFields& fields, std::optional<Error>& error, const ModelCatalog& catalog) {
  std::string name = fields.text("model", kNameBytesMax);
  if (error) return nullptr;
  const ModelCard* card = catalog.find(name);
  if (card != nullptr) return card;
  if (name.empty())
    fields.refuse("model", " is required: this server has several models");
  else
    error = model_not_found(name);
  return nullptr;
}

}  // namespace troupe
