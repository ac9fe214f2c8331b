#pragma once
// `model` names one of the models served here: an exact look-up, never a path. Absent: the only one there is.
#include "net/schema/json_fields.hpp"
#include "runtime/doors/model_catalog.hpp"

namespace troupe {

Error model_not_found(std::string_view name);
const ModelCard* read_model(JsonFields& fields, std::optional<Error>& error, const ModelCatalog& catalog);

}  // namespace troupe
