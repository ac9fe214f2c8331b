// How near the engine is to the float reference: every weight type, floats quantised at load, every architecture.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "model/float_reference/float_reference.hpp"
#include "test/model/engine_driver.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

double root_mean_square(const std::vector<float>& values) {
  double sum = 0.0;
  for (float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

// Between the engine and the float reference on the same file, relative to the logits' own size: the mean over all
// positions of the root mean square error.
// `change` is done to the reference's description, to see that it would matter.
double relative_error(const std::string& path, std::uint32_t token_count,
                      const std::function<void(ModelDescription&)>& change = {}, const HostFormats& formats = {}) {
  auto file = describe_file(path);
  if (change) change(file->description);
  FloatReference reference(file->description);
  auto runner = runner_of(load_weights(path, 1, formats));
  std::vector<TokenId> tokens = some_tokens(token_count, file->description.hyper.vocab_size);
  std::vector<std::vector<float>> engine = logits_of(*runner, tokens);
  double sum = 0.0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::vector<float> expected = reference.step(tokens[i]), difference = expected;
    for (std::size_t j = 0; j < difference.size(); ++j) difference[j] -= engine[i][j];
    sum += root_mean_square(difference) / root_mean_square(expected);
  }
  return sum / static_cast<double>(tokens.size());
}

}  // namespace

TEST_CASE("host engine stays near the float reference in every weight type") {
  struct Case {
    DType type, value_type, embedding;
    std::uint32_t heads, kv_heads, head_dim, hidden;
    bool tied;
  };
  // int8 activations and K/V cost 1 to 3 % on such models, and up to 7 % where the random minima do not cancel the mean
  // of the random codes; a wrong row order, scale or position costs 100 %. Of floats only K/V are rounded, to 11 bits.
  for (const Case& c : {Case{DType::kQ4_1, DType::kQ4_1, DType::kQ8_0, 4, 2, 16, 64, true},
                        Case{DType::kQ4_0, DType::kQ4_0, DType::kQ4_0, 2, 1, 32, 64, false},
                        Case{DType::kQ8_0, DType::kQ8_0, DType::kF16, 3, 1, 64, 96, false},
                        Case{DType::kF32, DType::kF32, DType::kF32, 4, 4, 16, 64, true},
                        Case{DType::kF16, DType::kF16, DType::kBF16, 4, 1, 32, 64, true},
                        Case{DType::kQ6_K, DType::kQ6_K, DType::kQ6_K, 4, 2, 64, 256, true},
                        Case{DType::kQ4_K, DType::kQ6_K, DType::kQ6_K, 4, 2, 64, 256, false},
                        Case{DType::kQ5_K, DType::kQ5_K, DType::kQ5_0, 4, 2, 64, 256, true},
                        Case{DType::kQ3_K, DType::kQ3_K, DType::kQ8_0, 4, 2, 64, 256, true},
                        Case{DType::kQ2_K, DType::kQ2_K, DType::kQ3_K, 4, 2, 64, 256, true},
                        Case{DType::kIq4Xs, DType::kIq4Nl, DType::kQ5_1, 4, 2, 64, 256, true},
                        Case{DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, 4, 2, 16, 64, true},
                        Case{DType::kMxfp4, DType::kIq4Nl, DType::kQ8_0, 4, 2, 16, 64, true},
                        Case{DType::kQ4_1, DType::kQ8_0, DType::kQ8_0, 6, 2, 48, 64, true}}) {
    TinyShape shape;
    shape.type = c.type, shape.value_type = c.value_type, shape.embedding_type = c.embedding;
    shape.heads = c.heads, shape.kv_heads = c.kv_heads, shape.head_dim = c.head_dim, shape.hidden = c.hidden;
    shape.intermediate = format_of(c.type).block_elements == 256 ? 512 : 128;
    shape.tied = c.tied;
    INFO(format_of(c.type).name << "/" << format_of(c.value_type).name << ", heads " << c.heads << " of "
                                << c.head_dim);
    TemporaryFile file(tiny_model(shape).bytes());
    double error = relative_error(file.path(), 40);
    INFO("relative error " << error);
    CHECK(error < (is_float(c.type) ? 0.002 : 0.1));
    if (is_float(c.type)) continue;
    HostFormats halves;
    halves.kv = KvType::kF16;
    CHECK(relative_error(file.path(), 40, {}, halves) < 0.1);
  }
}

TEST_CASE("R040, R041: floats quantised at load cost what their bits cost, in error and in memory") {
  TinyShape shape;
  shape.type = shape.value_type = shape.embedding_type = DType::kF16;
  shape.hidden = 256, shape.intermediate = 512, shape.heads = 4, shape.kv_heads = 2, shape.head_dim = 64;
  TemporaryFile file(tiny_model(shape).bytes());
  HostFormats int8, int4;
  int8.weights = WeightsAs::kInt8, int4.weights = WeightsAs::kInt4;
  double in_file = relative_error(file.path(), 40), of_int8 = relative_error(file.path(), 40, {}, int8),
         of_int4 = relative_error(file.path(), 40, {}, int4);
  INFO("relative errors: f16 " << in_file << ", int8 " << of_int8 << ", int4 " << of_int4);
  CHECK(in_file < 0.002);
  CHECK(of_int8 > in_file);
  CHECK(of_int8 < 0.05);
  CHECK(of_int4 > of_int8);
  CHECK(of_int4 < 0.3);
  auto packed_bytes = [](const HostModel& model) {
    std::uint64_t bytes = 0;
    for (const PackedShare& share : model.packed) bytes += share.bytes;
    return static_cast<double>(bytes);
  };
  auto f16_model = load_weights(file.path()), int8_model = load_weights(file.path(), 2, int8),
       int4_model = load_weights(file.path(), 2, int4);
  CHECK(packed_bytes(*int8_model) < 0.54 * packed_bytes(*f16_model));
  CHECK(packed_bytes(*int4_model) < 0.36 * packed_bytes(*f16_model));
  CHECK(int8_model->kv_layout.type == KvType::kInt8);
  CHECK(f16_model->kv_layout.type == KvType::kF16);
  CHECK(int8_model->numerics_class != f16_model->numerics_class);
  CHECK(int8_model->numerics_class != int4_model->numerics_class);
}

TEST_CASE("host engine stays near the float reference on golden models of every architecture") {
  struct Case {
    const char* name;
    std::function<void(ModelDescription&)> mistake;  // in positions; must cost clearly more than int8 does
  };
  HostFormats int8;
  int8.weights = WeightsAs::kInt8;
  auto each_layer = [](void (*change)(LayerTensors&)) {
    return [change](ModelDescription& m) { std::for_each(m.layers.begin(), m.layers.end(), change); };
  };
  auto without_window = [](ModelDescription& m) { m.attention[1].window = 0; };
  auto one_base = [](ModelDescription& m) { m.attention[1].rope.theta = m.attention[0].rope.theta; };
  for (const Case& c :
       {Case{"llama_plain", [](ModelDescription& m) { m.rope_pairs = RopePairs::kHalfSplit; }},
        Case{"llama_l3freqs", [](ModelDescription& m) { m.attention[0].rope.divisors.clear(); }},
        Case{"llama_legacy_linear", [](ModelDescription& m) { m.attention[0].rope.linear_factor = 1.0; }},
        Case{"qwen2", each_layer([](LayerTensors& t) { t.attn_k_bias = nullptr; })},
        Case{"qwen2", each_layer([](LayerTensors& t) { t.attn_v_bias = nullptr; })},
        Case{"qwen3", each_layer([](LayerTensors& t) { t.attn_q_norm = nullptr; })},
        Case{"qwen3", each_layer([](LayerTensors& t) { t.attn_k_norm = nullptr; })},
        Case{"phi3_short", each_layer([](LayerTensors& t) { std::swap(t.ffn_gate, t.ffn_up); })},
        Case{"gemma3", without_window}, Case{"gemma3", one_base},
        Case{"gemma3", [](ModelDescription& m) { m.activation = Activation::kSilu; }},
        Case{"gemma3", [](ModelDescription& m) { m.embedding_scale = 1.0F; }},
        Case{"gemma3", each_layer([](LayerTensors& t) { t.post_ffw_norm = nullptr; })},
        Case{"gemma3_noswa", each_layer([](LayerTensors& t) { t.post_attention_norm = nullptr; })}}) {
    auto path = shared_file(std::string("golden/") + c.name + ".gguf");
    if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    double right = relative_error(*path, 40), wrong = relative_error(*path, 40, c.mistake);
    INFO(c.name << ": relative error " << right << ", with a mistake " << wrong);
    CHECK(right < 0.002);
    CHECK(wrong > 20 * right);
    CHECK(relative_error(*path, 40, {}, int8) < 0.12);
  }
}
