#include <bit>
#include <catch2/catch.hpp>
#include <functional>
#include <limits>

#include "model/architectures/architecture.hpp"
#include "model/host_engine/row_order.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::string outcome(const GgufWriter& file) {
  Bytes bytes = file.bytes();
  auto contents = parse_gguf(bytes);
  if (!contents) return contents.error().message;
  auto description = describe_model(contents->metadata, contents->tensors);
  return description ? "" : description.error().message;
}

std::string with_count(const char* key, std::uint32_t value) {
  return outcome(tiny_model({}).without(key).u32(key, value));
}
std::string with_real(const char* key, float value) { return outcome(tiny_model({}).without(key).f32(key, value)); }

}  // namespace

TEST_CASE("llama builder describes a well-formed file") {
  Bytes bytes = tiny_model({}).bytes();
  auto contents = parse_gguf(bytes);
  REQUIRE(contents.ok());
  auto model = describe_model(contents->metadata, contents->tensors);
  REQUIRE(model.ok());
  CHECK(model->hyper.hidden_size == 64);
  CHECK(model->hyper.num_attention_heads == 4);
  CHECK(model->hyper.num_key_value_heads == 2);
  CHECK(model->hyper.head_dim == 16);
  CHECK(model->hyper.vocab_size == 96);
  CHECK(model->is_tied());
  CHECK(model->rope_pairs == RopePairs::kAdjacent);
  REQUIRE(model->layers.size() == 2);
  CHECK(model->layers[1].ffn_down == contents->tensors.find("blk.1.ffn_down.weight"));
}

TEST_CASE("llama builder refuses hyper-parameters out of range") {
  CHECK_THAT(outcome(tiny_model({}).without("general.architecture")),
             Catch::Contains("general.architecture: is missing"));
  CHECK_THAT(outcome(tiny_model({}).without("general.architecture").text("general.architecture", "mamba")),
             Catch::Contains("\"mamba\", which is not supported"));
  for (const char* key : {"llama.context_length", "llama.embedding_length", "llama.block_count",
                          "llama.feed_forward_length", "llama.attention.head_count", "llama.attention.head_count_kv"}) {
    INFO(key);
    CHECK_THAT(with_count(key, 0), Catch::Contains(std::string(key) + ": is 0; it must be 1 to"));
    CHECK_THAT(with_count(key, 0xFFFFFFFF), Catch::Contains(std::string(key) + ": is 4294967295"));
    CHECK_THAT(outcome(tiny_model({}).without(key).text(key, "64")), Catch::Contains("is of type string"));
  }
  CHECK_THAT(with_count("llama.block_count", 513), Catch::Contains("1 to 512"));
  CHECK_THAT(with_count("llama.block_count", 3), Catch::Contains("blk.2.attn_norm.weight: this tensor is missing"));
  CHECK_THAT(with_count("llama.attention.head_count_kv", 3), Catch::Contains("does not divide the 4 heads"));
  CHECK_THAT(with_count("llama.attention.head_count_kv", 8), Catch::Contains("does not divide"));
  CHECK_THAT(with_count("llama.attention.key_length", 24), Catch::Contains("heads of 24 values are not supported"));
  CHECK_THAT(with_count("llama.attention.key_length", 100000), Catch::Contains("attention.key_length: is 100000"));
  CHECK_THAT(with_count("llama.attention.value_length", 32), Catch::Contains("attention.value_length"));
  CHECK_THAT(with_count("llama.rope.dimension_count", 8), Catch::Contains("must be the head size, 16"));
  CHECK_THAT(with_count("llama.embedding_length", 48), Catch::Contains("multiple of 32"));
  CHECK_THAT(with_count("llama.expert_count", 8), Catch::Contains("mixture-of-experts"));
  CHECK_THAT(with_real("llama.attention.layer_norm_rms_epsilon", 0.0F), Catch::Contains("rms_epsilon"));
  CHECK_THAT(with_real("llama.attention.layer_norm_rms_epsilon", 1.0F), Catch::Contains("rms_epsilon"));
  CHECK_THAT(with_real("llama.rope.freq_base", 0.5F), Catch::Contains("rope.freq_base"));
  CHECK_THAT(with_real("llama.rope.scaling.factor", -1.0F), Catch::Contains("rope.scaling.factor"));
  CHECK_THAT(outcome(tiny_model({}).text("llama.rope.scaling.type", "ntk")),
             Catch::Contains("none, linear, yarn and longrope are supported"));
}

TEST_CASE("llama builder refuses tensors that are missing, of another shape or of no use") {
  CHECK_THAT(outcome(tiny_model({}).without_tensor("token_embd.weight")),
             Catch::Contains("token_embd.weight: this tensor is missing"));
  CHECK_THAT(outcome(tiny_model({}).without_tensor("blk.1.ffn_up.weight")),
             Catch::Contains("blk.1.ffn_up.weight: this tensor is missing"));
  CHECK_THAT(with_count("llama.feed_forward_length", 160),
             Catch::Contains("blk.0.ffn_gate.weight: has the shape 64 x 128; the metadata asks for 64 x 160"));
  CHECK_THAT(outcome(tiny_model({}).tensor("blk.0.attn_q_norm.weight", {16}, 0, Bytes(64))),
             Catch::Contains("blk.0.attn_q_norm.weight: this architecture has no use"));
  GgufWriter divisors = tiny_model({}).tensor("rope_freqs.weight", {8}, 0, Bytes(32));
  CHECK_THAT(outcome(divisors), Catch::Contains("rope_freqs.weight: has a divisor out of range"));
  GgufWriter output = tiny_model({}).tensor("output.weight", {64, 95}, 0, Bytes(64 * 95 * 4));
  CHECK_THAT(outcome(output), Catch::Contains("output.weight: has the shape 64 x 95"));
}

TEST_CASE("llama builder: a sliding window is the layers' window, as in Mistral 7B v0.1") {
  Bytes bytes = tiny_model({}).u32("llama.attention.sliding_window", 100).bytes();
  auto contents = parse_gguf(bytes);
  auto model = describe_model(contents->metadata, contents->tensors);
  REQUIRE(model.ok());
  REQUIRE(model->attention.size() == 1);
  CHECK(model->attention[0].window == 100);
  CHECK(model->hyper.context_length > 100);
}

TEST_CASE("YaRN and longrope become divisors and a magnitude") {
  auto describe = [](GgufWriter writer) {
    Bytes bytes = writer.bytes();
    auto contents = parse_gguf(bytes);
    REQUIRE(contents.ok());
    auto model = describe_model(contents->metadata, contents->tensors);
    INFO((model ? std::string() : model.error().message));
    REQUIRE(model.ok());
    return model->attention[0].rope;
  };
  GgufWriter yarn = tiny_model({});
  yarn.text("llama.rope.scaling.type", "yarn").f32("llama.rope.scaling.factor", 4.0F);
  yarn.u32("llama.rope.scaling.original_context_length", 64);
  RopeDescription rope = describe(yarn);
  CHECK(rope.linear_factor == 1.0);
  CHECK(rope.magnitude == Approx(1.138629436111989));
  REQUIRE(rope.divisors.size() == 8);
  CHECK(rope.divisors[0] < rope.divisors[7]);
  CHECK(rope.divisors[7] == 4.0);

  auto eight = [](float value) {
    Bytes bytes;
    for (int i = 0; i < 8; ++i)
      for (int byte = 0; byte < 4; ++byte)
        bytes.push_back(static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(value) >> 8 * byte));
    return bytes;
  };
  GgufWriter longrope = tiny_model({});
  longrope.tensor("rope_factors_short.weight", {8}, 0, eight(1.5F))
      .tensor("rope_factors_long.weight", {8}, 0, eight(3.0F));
  longrope.f32("llama.rope.scaling.attn_factor", 1.25F).u32("llama.rope.scaling.original_context_length", 100);
  rope = describe(longrope);
  CHECK(rope.magnitude == 1.25);
  CHECK(rope.divisors_for(100) == std::vector<double>(8, 1.5));
  CHECK(rope.divisors_for(101) == std::vector<double>(8, 3.0));
}

TEST_CASE("rows of q and k are put from adjacent pairs into half-split order") {
  // Two heads of four: rows 0 2 | 1 3 become first and second half.
  CHECK(half_split_order(8, 4, RopePairs::kAdjacent) == RowOrder{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(half_split_order(8, 4, RopePairs::kHalfSplit) == RowOrder{0, 1, 2, 3, 4, 5, 6, 7});
}
