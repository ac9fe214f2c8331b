#include "runtime/result_key.hpp"

#include <array>
#include <bit>
#include <type_traits>

#include "runtime/digest.hpp"

namespace troupe {
namespace {

// Feeds values to the hash so that no two lists of values give the same bytes: numbers are 8 bytes little-endian,
// texts and lists begin with their length.
class KeyWriter {
 public:
  void add(std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes;
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    hash_.add(bytes);
  }
  void add(float value) { add(std::uint64_t{std::bit_cast<std::uint32_t>(value)}); }
  void add(std::int32_t value) { add(std::uint64_t{static_cast<std::uint32_t>(value)}); }
  void add(std::uint32_t value) { add(std::uint64_t{value}); }
  void add(bool value) { add(std::uint64_t{value ? 1U : 0U}); }
  void add(std::string_view text) {
    add(std::uint64_t{text.size()});
    hash_.add(text);
  }
  void add(std::span<const TokenId> tokens) {
    add(std::uint64_t{tokens.size()});
    for (TokenId token : tokens) add(token);
  }
  Digest finish() { return hash_.finish(); }

 private:
  Sha256 hash_;
};

void add(KeyWriter& key, const SamplingParams& sampling) {
  key.add(sampling.temperature);
  key.add(sampling.top_k);
  key.add(sampling.top_p);
  key.add(sampling.min_p);
  key.add(sampling.typical_p);
  key.add(sampling.repetition_penalty);
  key.add(sampling.presence_penalty);
  key.add(sampling.frequency_penalty);
  key.add(std::uint64_t{sampling.logit_bias.size()});
  for (const auto& [token, bias] : sampling.logit_bias) key.add(token), key.add(bias);
  key.add(sampling.is_greedy() ? std::uint64_t{0} : sampling.seed.value_or(0));
}

void add(KeyWriter& key, const StopRules& stop) {
  key.add(stop.max_tokens);
  key.add(stop.min_tokens);
  key.add(stop.ignore_eos);
  key.add(std::uint64_t{stop.stop.size()});
  for (const std::string& text : stop.stop) key.add(std::string_view(text));
  key.add(std::span<const TokenId>(stop.stop_token_ids));
}

}  // namespace

ResultKey result_key(const Request& request, std::span<const TokenId> prompt, std::string_view numerics_class) {
  KeyWriter key;
  key.add(std::string_view("troupe result 2"));  // the version of this list of fields
  key.add(numerics_class);
  key.add(std::string_view(request.model));
  key.add(std::string_view(request.tenant));
  key.add(std::string_view(request.cache_salt));
  key.add(prompt);
  add(key, request.sampling);
  add(key, request.stop);
  key.add(static_cast<std::uint32_t>(request.pooling));
  key.add(request.choice);
  key.add(request.logprobs);
  return key.finish();
}

}  // namespace troupe
