// Rotary scalings of which golden/ has no model, against logits of Hugging Face's transformers.
#include <cmath>
#include <map>

#include "test/model/folder_logits.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("YaRN and longrope, short and long, give the logits of Hugging Face's own code") {
  struct Case {
    const char* name;  // in rope_golden.txt, which make_rope_golden.py has written
    const char* model;
    std::string scaling;
  };
  const std::string divisors = R"("rope_type":"longrope","short_factor":[1,1.1071428571428572,1.2142857142857142,)"
                               R"(1.3214285714285714,1.4285714285714286,1.5357142857142856,1.6428571428571428,1.75],)"
                               R"("long_factor":[1.25,1.9285714285714286,2.607142857142857,3.2857142857142856,)"
                               R"(3.9642857142857144,4.642857142857142,5.321428571428571,6.0])";
  const Case cases[] = {
      {"yarn", "llama_plain", R"({"rope_type":"yarn","factor":4.0,"original_max_position_embeddings":64})"},
      {"yarn_magnitude", "llama_plain",
       R"({"rope_type":"yarn","factor":8.0,"original_max_position_embeddings":32,"attention_factor":1.5})"},
      {"yarn_ramp", "llama_plain",
       R"({"rope_type":"yarn","factor":2.0,"original_max_position_embeddings":128,)"
       R"("beta_fast":8.0,"beta_slow":2.0})"},
      {"longrope_short", "phi3_short", "{" + divisors + "}"},
      {"longrope_long", "phi3_short", "{" + divisors + "}"},
  };
  const std::map<std::string, std::string> original = {{"longrope_short", "128"}, {"longrope_long", "48"}};
  const std::string file = data_file("rope_golden.txt");
  for (const Case& one : cases) {
    INFO(one.name);
    auto path = shared_file(std::string("golden/") + one.model + ".gguf");
    if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    auto model = describe_file(*path);
    std::string config = golden_folder(one.model).config;
    config.replace(config.find(R"("rope_scaling":null)"), 19, R"("rope_scaling":)" + one.scaling);
    if (auto found = original.find(one.name); found != original.end()) {
      config = with(config, "original_max_position_embeddings", found->second);
    }
    TemporaryFolder written;
    written.write("config.json", config);
    written.write_weights(stored_of(golden_folder(one.model), model->file.tensors()));
    auto folder = open_folder(written.path());
    ModelDescription description = described(folder->metadata(), folder->tensors());
    std::vector<TokenId> tokens;
    for (std::uint32_t i = 0; i < 96; ++i) tokens.push_back(static_cast<TokenId>((i * 37 + 11) % 128));
    // Which divisors count is decided by the positions served: within the original context, the short ones.
    if (one.name == std::string("longrope_short")) description.hyper.context_length = 128;
    Logits all = reference_logits(description, tokens);
    for (std::size_t position : {1, 40, 95}) {
      INFO(position);
      std::vector<double> expected = numbers(file, std::string(one.name) + "." + std::to_string(position));
      REQUIRE(expected.size() == all[position].size());
      double worst = 0.0;
      for (std::size_t i = 0; i < expected.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(all[position][i]) - expected[i]));
      CHECK(worst < 2e-4);
    }
  }
}
