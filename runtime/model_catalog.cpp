#include "runtime/doors/model_catalog.hpp"

#include <algorithm>

namespace troupe {

const ModelCard* ModelCatalog::find(std::string_view name) const {
  if (cards_.size() == 1 && (name.empty() || name == "dummy" || name == "tgi")) return &cards_.front();
  std::shared_ptr<const std::vector<std::string>> replaced = aliases_.get();
  for (const ModelCard& card : cards_) {
    const std::vector<std::string>& aliases = replaced && &card == &cards_.front() ? *replaced : card.aliases;
    if (card.name == name || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) return &card;
  }
  return nullptr;
}

void ModelCatalog::set_aliases(std::vector<std::string> aliases) {
  aliases_.set(std::make_shared<const std::vector<std::string>>(std::move(aliases)));
}

}  // namespace troupe
