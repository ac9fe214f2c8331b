#include "runtime/doors/model_catalog.hpp"

#include <algorithm>

namespace troupe {

const ModelCard* ModelCatalog::find(std::string_view name) const {
  if (cards_.size() == 1 && (name.empty() || name == "dummy" || name == "tgi")) return &cards_.front();
  for (const ModelCard& card : cards_) {
    if (card.name == name || std::find(card.aliases.begin(), card.aliases.end(), name) != card.aliases.end()) return &card;
  }
  return nullptr;
}

}  // namespace troupe
