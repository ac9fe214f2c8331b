#pragma once
// GET /v1/models, /v1/models/{id} and /version.
#include <string>
#include <string_view>

#include "runtime/doors/model_catalog.hpp"

namespace troupe {

std::string model_list(const ModelCatalog& catalog);
std::string model_object(const ModelCard& card);
std::string version_object(std::string_view version, const ModelCatalog& catalog);

}  // namespace troupe
