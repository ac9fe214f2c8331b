// The reference forward pass against llama.cpp's logits on float32 files.
#include "model/float_reference/float_reference.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>

#include "test/model/golden.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::vector<float> read_floats(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(in)), {});
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

TokenId best_of(const std::vector<float>& logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

}  // namespace

TEST_CASE("float reference equals llama.cpp's logits and greedy tokens on a tiny model of every architecture") {
  struct Case {
    const char* name;
    float tolerance;  // llama.cpp's GELU is a table in half precision
  };
  for (const Case& c : {Case{"llama_plain", 2e-4F}, Case{"llama_l3freqs", 2e-4F}, Case{"llama_legacy_linear", 2e-4F},
                        Case{"qwen2", 2e-4F}, Case{"qwen3", 2e-4F}, Case{"phi3_short", 2e-4F}, Case{"gemma3", 5e-3F},
                        Case{"gemma3_noswa", 5e-3F}}) {
    std::string name = c.name;
    auto file = shared_file("golden/" + name + ".gguf");
    auto golden = shared_file("golden/" + name + ".llamacpp_f32.logits");
    if (!file || !golden) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    INFO(name);
    auto model = describe_file(*file);
    FloatReference reference(model->description);
    std::vector<float> expected = read_floats(*golden);
    std::vector<TokenId> prompt = ids(data_file("golden.txt"), name + ".prompt");
    REQUIRE(expected.size() == prompt.size() * model->description.hyper.vocab_size);
    float worst = 0.0F;
    for (std::size_t i = 0; i < prompt.size(); ++i) {
      std::vector<float> logits = reference.step(prompt[i]);
      for (std::size_t j = 0; j < logits.size(); ++j)
        worst = std::max(worst, std::abs(logits[j] - expected[i * logits.size() + j]));
    }
    CHECK(worst < c.tolerance);

    reference.restart();
    std::vector<float> logits;
    for (TokenId token : ids(data_file("golden.txt"), name + ".greedy_prompt")) logits = reference.step(token);
    std::vector<TokenId> greedy = ids(data_file("golden.txt"), name + ".greedy"), generated;
    while (generated.size() < greedy.size()) {
      generated.push_back(best_of(logits));
      logits = reference.step(generated.back());
    }
    CHECK(generated == greedy);
  }
}
