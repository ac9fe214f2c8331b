#pragma once
// From a Hugging Face folder to the float reference's logits.
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "model/float_reference/float_reference.hpp"
#include "model/safetensors/safetensors_folder.hpp"
#include "test/model/golden.hpp"
#include "test/model/golden_folders.hpp"

namespace troupe::test {

using Logits = std::vector<std::vector<float>>;

inline std::unique_ptr<SafetensorsFolder> open_folder(const std::string& path) {
  auto folder = SafetensorsFolder::open(path);
  INFO((folder ? std::string() : folder.error().message));
  REQUIRE(folder.ok());
  return std::make_unique<SafetensorsFolder>(std::move(*folder));
}

inline ModelDescription described(const Metadata& metadata, const TensorTable& tensors) {
  auto description = describe_model(metadata, tensors);
  INFO((description ? std::string() : description.error().message));
  REQUIRE(description.ok());
  return std::move(*description);
}

inline Logits reference_logits(const ModelDescription& description, const std::vector<TokenId>& tokens) {
  FloatReference reference(description);
  Logits all;
  for (TokenId token : tokens) all.push_back(reference.step(token));
  return all;
}

inline std::vector<StoredForTest> stored_of(const GoldenFolder& golden, const TensorTable& tensors,
                                            std::string prefix = "") {
  return as_stored(tensors, {golden.architecture, golden.head_dim, std::move(prefix)});
}

// Another value of a member of a flat JSON object, or one more member.
inline std::string with(std::string json, const std::string& name, const std::string& value) {
  std::size_t at = json.find("\"" + name + "\":");
  if (at == std::string::npos) return json.insert(1, "\"" + name + "\":" + value + ",");
  std::size_t begin = at + name.size() + 3, end = json.find_first_of(",}", begin);
  return json.replace(begin, end - begin, value);
}

}  // namespace troupe::test
