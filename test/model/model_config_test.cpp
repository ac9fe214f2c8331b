// config.json of Hugging Face's classes as GGUF's keys.
#include "model/safetensors/model_config.hpp"

#include <catch2/catch.hpp>

#include "test/model/golden_folders.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

const std::string kLlama =
    R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":2048,"intermediate_size":8192,)"
    R"("num_attention_heads":32,"num_key_value_heads":8,"num_hidden_layers":16,"max_position_embeddings":131072)";
const std::string kGemma = R"({"model_type":"gemma3_text","hidden_size":2560,"intermediate_size":10240,)"
                           R"("num_hidden_layers":34,"sliding_window":1024)";

ModelConfig read(const std::string& json) {
  auto config = read_model_config(json);
  INFO(json << "\n" << (config ? std::string() : config.error().message));
  REQUIRE(config.ok());
  return std::move(*config);
}

std::string refusal(const std::string& json) {
  auto config = read_model_config(json);
  if (config) return "";
  CHECK(config.error().code == ErrorCode::kModelFile);
  CHECK_THAT(config.error().message, Catch::StartsWith("config.json: "));
  return config.error().message;
}

std::uint64_t count(const ModelConfig& config, const std::string& key) {
  return *config.keys.parse()->count(config.architecture + "." + key, 0, ~0ULL);
}
double real(const ModelConfig& config, const std::string& key) {
  return *config.keys.parse()->real(config.architecture + "." + key);
}
bool has(const ModelConfig& config, const std::string& key) {
  return config.keys.parse()->has(config.architecture + "." + key);
}

}  // namespace

TEST_CASE("both spellings of a config are the same keys") {
  for (const GoldenFolder& golden : golden_folders()) {
    INFO(golden.name);
    ModelConfig older = read(golden.config), newer = read(golden.newer_config);
    CHECK(Bytes(older.keys.bytes().begin(), older.keys.bytes().end()) ==
          Bytes(newer.keys.bytes().begin(), newer.keys.bytes().end()));
    CHECK(older.rope.divisors == newer.rope.divisors);
    CHECK(older.is_tied == newer.is_tied);
  }
}

TEST_CASE("a Llama config says what its GGUF file says") {
  ModelConfig config = read(kLlama + R"(,"rms_norm_eps":1e-05,"rope_theta":500000.0,"tie_word_embeddings":true,)"
                                     R"("eos_token_id":[128001,128008,128009],"head_dim":64})");
  CHECK(*config.keys.parse()->text("general.architecture") == "llama");
  CHECK(count(config, "embedding_length") == 2048);
  CHECK(count(config, "feed_forward_length") == 8192);
  CHECK(count(config, "block_count") == 16);
  CHECK(count(config, "context_length") == 131072);
  CHECK(count(config, "attention.head_count") == 32);
  CHECK(count(config, "attention.head_count_kv") == 8);
  CHECK(count(config, "attention.key_length") == 64);
  CHECK(count(config, "rope.dimension_count") == 64);
  CHECK(real(config, "rope.freq_base") == 500000.0);
  CHECK(static_cast<float>(real(config, "attention.layer_norm_rms_epsilon")) == 1e-5F);
  CHECK(*config.keys.parse()->flag("llama.rope.half_split") == true);
  CHECK_FALSE(has(config, "attention.sliding_window"));
  CHECK(config.is_tied);
  CHECK_FALSE(config.norms_lack_one);
  CHECK(config.end_ids == std::vector<std::uint64_t>{128001, 128008, 128009});
}

TEST_CASE("what a config leaves out is what its class says") {
  ModelConfig llama = read(kLlama + "}");
  CHECK(real(llama, "rope.freq_base") == 10000.0);
  CHECK(static_cast<float>(real(llama, "attention.layer_norm_rms_epsilon")) == 1e-6F);
  CHECK_FALSE(llama.is_tied);
  CHECK(llama.end_ids.empty());

  std::string other = kLlama;
  other.replace(other.find("\"model_type\":\"llama\""), 20, "\"model_type\":\"mistral\"");
  CHECK(count(read(other + "}"), "attention.sliding_window") == 4096);
  CHECK(count(read(other + R"(,"sliding_window":null})"), "attention.sliding_window") == 0);
  CHECK(*read(other + "}").keys.parse()->text("general.architecture") == "llama");

  ModelConfig gemma = read(kGemma + "}");
  CHECK(count(gemma, "attention.head_count") == 8);
  CHECK(count(gemma, "attention.head_count_kv") == 4);
  CHECK(count(gemma, "attention.key_length") == 256);
  CHECK(count(gemma, "context_length") == 131072);
  CHECK(real(gemma, "rope.freq_base") == 1e6);
  CHECK(real(gemma, "rope.freq_base_swa") == 1e4);
  CHECK_FALSE(has(gemma, "attention.scale"));
  CHECK(gemma.is_tied);
  CHECK(gemma.norms_lack_one);
  auto metadata = gemma.keys.parse();
  const auto& pattern = std::get<MetadataArray>(metadata->find("gemma3.attention.sliding_window_pattern")->value);
  REQUIRE(pattern.count == 34);
  for (std::size_t layer = 0; layer < 34; ++layer) CHECK((pattern.bytes[layer] != 0) == (layer % 6 != 5));
  // The architecture's name alone will do.
  CHECK(read(R"({"architectures":["Qwen3ForCausalLM"],)" + kLlama.substr(kLlama.find("\"hidden_size\"")) + "}")
            .architecture == "qwen3");
}

TEST_CASE("Gemma's attention scale is written where it is not the usual one") {
  CHECK(real(read(kGemma + R"(,"query_pre_attn_scalar":64})"), "attention.scale") == 0.125);
  // The 27B: 5376 / 32 is 168, which describe_gemma3 knows.
  std::string large =
      R"({"model_type":"gemma3_text","hidden_size":5376,"intermediate_size":21504,"num_hidden_layers":62,)"
      R"("num_attention_heads":32,"num_key_value_heads":16,"head_dim":128,"sliding_window":1024,)";
  CHECK_FALSE(has(read(large + R"("query_pre_attn_scalar":168})"), "attention.scale"));
  CHECK(real(read(large + R"("query_pre_attn_scalar":256})"), "attention.scale") == 0.0625);
  CHECK(real(read(kGemma + R"(,"final_logit_softcapping":30.0})"), "final_logit_softcapping") == 30.0);
}

TEST_CASE("llama3's divisors are those of the published models") {
  // Llama 3.1 8B and 3.2 1B; llama.cpp's converter gives these.
  auto large = llama3_divisors(128, 500000.0, {8.0, 1.0, 4.0, 8192.0});
  REQUIRE(large.size() == 64);
  for (std::size_t i = 0; i <= 28; ++i) CHECK(large[i] == 1.0F);
  const double middle[] = {1.207484, 1.553415, 2.026313, 2.69453, 3.684253, 5.257327};
  for (std::size_t i = 0; i < 6; ++i) CHECK(large[29 + i] == Approx(middle[i]).epsilon(1e-6));
  for (std::size_t i = 35; i < 64; ++i) CHECK(large[i] == 8.0F);
  auto small = llama3_divisors(64, 500000.0, {32.0, 1.0, 4.0, 8192.0});
  for (std::size_t i = 0; i <= 14; ++i) CHECK(small[i] == 1.0F);
  const double few[] = {1.651329, 3.292262, 9.666729};
  for (std::size_t i = 0; i < 3; ++i) CHECK(small[15 + i] == Approx(few[i]).epsilon(1e-6));
  for (std::size_t i = 18; i < 32; ++i) CHECK(small[i] == 32.0F);
}

TEST_CASE("YaRN, linear scaling and longrope are GGUF's keys and divisors") {
  ModelConfig yarn = read(kLlama + R"(,"rope_scaling":{"type":"yarn","factor":4.0,)"
                                   R"("original_max_position_embeddings":131072}})");
  CHECK(*yarn.keys.parse()->text("llama.rope.scaling.type") == "yarn");
  CHECK(real(yarn, "rope.scaling.factor") == 4.0);
  CHECK(count(yarn, "rope.scaling.original_context_length") == 131072);
  CHECK(real(yarn, "rope.scaling.yarn_beta_fast") == 32.0);
  CHECK(real(yarn, "rope.scaling.yarn_beta_slow") == 1.0);
  CHECK(real(yarn, "rope.scaling.yarn_attn_factor") == 1.0);
  CHECK(count(yarn, "context_length") == 524288);
  // 1.138629 is 1 + 0.1 ln 4.
  ModelConfig told = read(kLlama + R"(,"rope_scaling":{"type":"yarn","factor":4.0,"attention_factor":1.0}})");
  CHECK(real(told, "rope.scaling.yarn_attn_factor") == Approx(1.0 / 1.1386294).epsilon(1e-6));
  // (0.1 * 0.5 ln 4 + 1) / (0.1 * 2 ln 4 + 1)
  ModelConfig scaled =
      read(kLlama + R"(,"rope_scaling":{"type":"yarn","factor":4.0,"mscale":0.5,"mscale_all_dim":2.0}})");
  CHECK(real(scaled, "rope.scaling.yarn_attn_factor") == Approx(0.8371949 / 1.1386294).epsilon(1e-6));

  ModelConfig linear = read(kGemma + R"(,"rope_scaling":{"rope_type":"linear","factor":8.0}})");
  CHECK(*linear.keys.parse()->text("gemma3.rope.scaling.type") == "linear");
  CHECK(real(linear, "rope.scaling.factor") == 8.0);

  std::string phi = R"({"model_type":"phi3","hidden_size":3072,"intermediate_size":8192,"num_attention_heads":24,)"
                    R"("num_key_value_heads":8,"num_hidden_layers":32,"max_position_embeddings":131072,)"
                    R"("original_max_position_embeddings":4096,"partial_rotary_factor":0.03125,)";
  ModelConfig longrope =
      read(phi + R"("rope_scaling":{"type":"longrope","short_factor":[1.0,1.5],"long_factor":[2,3]}})");
  CHECK(count(longrope, "rope.dimension_count") == 4);  // of 128
  CHECK(count(longrope, "rope.scaling.original_context_length") == 4096);
  CHECK(real(longrope, "rope.scaling.attn_factor") == Approx(1.1902381).epsilon(1e-6));  // Phi-3's, published
  CHECK(longrope.rope.short_divisors == std::vector<float>{1.0F, 1.5F});
  CHECK(longrope.rope.long_divisors == std::vector<float>{2.0F, 3.0F});
  CHECK_THAT(refusal(phi + R"("rope_scaling":{"type":"su","short_factor":[1.0,1.5],"long_factor":[2]}})"),
             Catch::Contains("rope_scaling.long_factor must have 2 entries"));
}

TEST_CASE("a config that we would compute otherwise is refused by the name of what it says") {
  auto llama = [](const std::string& rest) { return kLlama + "," + rest + "}"; };
  auto gemma = [](const std::string& rest) { return kGemma + "," + rest + "}"; };
  struct Case {
    std::string json;
    const char* reason;
  };
  for (const Case& c : {
           Case{"[]", "is an array, not an object"},
           Case{"{", "is not valid JSON"},
           Case{"{}", "model_type is \"\", which is not supported (known: llama, mistral, qwen2, qwen3, phi3, "},
           Case{R"({"model_type":"mixtral"})", "model_type is \"mixtral\""},
           Case{R"({"model_type":7})", "model_type is a number, not a string"},
           Case{R"({"model_type":"llama","architectures":["LlamaForSequenceClassification"]})",
                "architectures has \"LlamaForSequenceClassification\""},
           Case{R"({"model_type":"llama"})", "hidden_size is missing"},
           Case{llama(R"("hidden_act":"gelu")"), "hidden_act is \"gelu\"; only \"silu\""},
           Case{llama(R"("quantization_config":{"quant_method":"gptq","bits":4})"), "weights are quantised (gptq)"},
           Case{llama(R"("mlp_bias":true)"), "mlp_bias is true"},
           Case{llama(R"("head_dim":257)"), "head_dim is 257; at most 256"},
           Case{llama(R"("rope_scaling":{"rope_type":"dynamic","factor":2.0})"),
                "rope_scaling.rope_type is \"dynamic\""},
           Case{llama(R"("rope_scaling":{"rope_type":"linear"})"), "rope_scaling.factor is missing"},
           Case{llama(R"("rope_scaling":{"rope_type":"linear","factor":0})"),
                "rope_scaling.factor is 0; it must be 1 to"},
           Case{llama(R"("rope_scaling":{"rope_type":"linear","factor":1e999})"), "rope_scaling.factor is inf"},
           Case{llama(R"("rope_scaling":"linear")"), "rope_scaling is a string, not an object"},
           Case{llama(R"("rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1})"),
                "high_freq_factor must be more than low_freq_factor"},
           Case{llama(R"("rope_scaling":{"rope_type":"yarn","factor":4,"truncate":false})"), "truncate is false"},
           Case{llama(R"("rope_theta":0)"), "rope_theta is 0; it must be 1 to"},
           Case{llama(R"("rms_norm_eps":"1e-5")"), "rms_norm_eps is a string, not a number"},
           Case{llama(R"("rope_theta":1,"rope_theta":2)"), "has a name twice"},
           Case{llama(R"("eos_token_id":[1,"a"])"), "eos_token_id is a string, not a whole number"},
           Case{llama(R"("eos_token_id":-1)"), "eos_token_id is -1"},
           Case{gemma(R"("layer_types":["full_attention"])"), "layer_types has 1 entries for 34 layers"},
           Case{gemma(R"("hidden_activation":"silu")"), "hidden_activation is \"silu\""},
           Case{gemma(R"("use_bidirectional_attention":true)"), "use_bidirectional_attention is true"},
           Case{gemma(R"("attention_bias":true)"), "attention_bias is true"},
           Case{gemma(R"("attn_logit_softcapping":50.0)"), "attn_logit_softcapping is not null"},
           Case{gemma(R"("rope_scaling":{"rope_type":"yarn","factor":8})"), "this model has default and linear only"},
           Case{gemma(R"("rope_parameters":{"sliding_attention":{"rope_type":"linear","factor":2}})"),
                "rope_parameters.sliding_attention.rope_type must be \"default\""},
           Case{R"({"model_type":"gemma3_text","hidden_size":64,"intermediate_size":64,"num_hidden_layers":6,)"
                R"("sliding_window":null})",
                "sliding_window is missing for the layers that have one"},
           Case{R"({"model_type":"qwen2",)" + kLlama.substr(kLlama.find("\"hidden_size\"")) +
                    R"(,"use_sliding_window":true,"max_window_layers":8})",
                "use_sliding_window is true for some layers"},
       }) {
    INFO(c.json);
    CHECK_THAT(refusal(c.json), Catch::Contains(c.reason));
  }
  // Above the layers there are: none has a window.
  CHECK(refusal(R"({"model_type":"qwen2",)" + kLlama.substr(kLlama.find("\"hidden_size\"")) +
                R"(,"use_sliding_window":true,"max_window_layers":28})")
            .empty());
}
