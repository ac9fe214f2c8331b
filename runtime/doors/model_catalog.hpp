#pragma once
// The models this server answers for. Filled once at start, read from any thread; only aliases may change.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/doors/text_codec.hpp"
#include "runtime/latest.hpp"

namespace troupe {

struct ModelCard {
  std::string name;                  // what /v1/models says
  std::vector<std::string> aliases;  // further names that are accepted
  std::int64_t created_s = 0;        // Unix time of the file
  std::uint32_t context_length = 0;
  std::uint32_t vocab_size = 0;
  std::uint32_t embedding_size = 0;  // values of an embedding; 0: the model makes none
  std::string architecture;   // "llama"
  std::string quantization;   // "Q4_1"
  std::string numerics_class; // system_fingerprint
  std::string device;         // "host avx512"
  std::shared_ptr<const TextCodec> codec;
};

class ModelCatalog {
 public:
  explicit ModelCatalog(std::vector<ModelCard> cards) : cards_(std::move(cards)) {}

  // The card for a name or an alias; the only card for an empty name, for "dummy" and for "tgi" (what
  // huggingface_hub and text-generation send when the user gave just a URL). nullptr when there is none.
  const ModelCard* find(std::string_view name) const;
  const std::vector<ModelCard>& cards() const { return cards_; }

  // Instead of the aliases that the first card came with. From any thread.
  void set_aliases(std::vector<std::string> aliases);

 private:
  const std::vector<ModelCard> cards_;
  Latest<std::vector<std::string>> aliases_;  // none: as the card says
};

}  // namespace troupe
