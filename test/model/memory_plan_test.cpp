#include "model/host_engine/memory_plan.hpp"

#include <catch2/catch.hpp>

#include "model/host_engine/pack_jobs.hpp"
#include "test/model/golden.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

// hidden 64, 2 layers, 2 kv heads of 16: a token costs 2 * 2 * (16 + 16 bytes + 2 floats), a block 16 of them.
constexpr std::uint64_t kBlockBytes = 16 * 2 * 2 * (32 + 8);

struct Tiny {
  Tiny() : bytes(tiny_model({}).bytes()), contents(std::move(*parse_gguf(bytes))) {
    model = *describe_model(contents.metadata, contents.tensors);
  }
  Bytes bytes;
  GgufContents contents;
  ModelDescription model;
};

}  // namespace

TEST_CASE("memory plan gives K/V room for eight contexts when there is plenty") {
  Tiny tiny;
  auto plan = plan_memory(tiny.model, {}, {1ULL << 30, 0});
  REQUIRE(plan.ok());
  CHECK(plan->context == 512);
  CHECK(plan->kv_block_bytes == kBlockBytes);
  CHECK(plan->kv_blocks == 8 * 512 / 16);
  CHECK(plan->weights_bytes > 64 * 96);
  CHECK(plan->workspace_bytes > 0);
}

TEST_CASE("R040, R046: memory plan counts weights that are quantised at load, and K/V by its type") {
  TinyShape shape;
  shape.type = shape.value_type = DType::kF16;
  Bytes bytes = tiny_model(shape).bytes();
  GgufContents contents = std::move(*parse_gguf(bytes));
  auto model = *describe_model(contents.metadata, contents.tensors);
  HostLimits as_file, int8, int4;
  int8.formats.weights = WeightsAs::kInt8, int4.formats.weights = WeightsAs::kInt4;
  auto of_file = *plan_memory(model, as_file, {1ULL << 30, 0}), of_int8 = *plan_memory(model, int8, {1ULL << 30, 0}),
       of_int4 = *plan_memory(model, int4, {1ULL << 30, 0});
  CHECK(of_file.kv_type == KvType::kF16);
  CHECK(of_file.kv_block_bytes == 16 * 2 * 2 * 2 * 32);
  CHECK(of_int8.kv_type == KvType::kInt8);
  CHECK(of_int8.kv_block_bytes == kBlockBytes);
  CHECK(of_int8.weights_bytes < of_file.weights_bytes);
  CHECK(of_int4.weights_bytes < of_int8.weights_bytes);
  int8.formats.kv = KvType::kF16;
  CHECK(plan_memory(model, int8, {1ULL << 30, 0})->kv_block_bytes == of_file.kv_block_bytes);
}

TEST_CASE("memory plan takes at most a quarter of what is available") {
  Tiny tiny;
  std::uint64_t fixed = [&] {
    auto plan = plan_memory(tiny.model, {}, {1ULL << 30, 0});
    return plan->weights_bytes + plan->workspace_bytes;
  }();
  std::uint64_t available = fixed + 100 * kBlockBytes;
  auto plan = plan_memory(tiny.model, {}, {available, 0});
  REQUIRE(plan.ok());
  CHECK(plan->kv_blocks >= kKvBlocksMin);
  CHECK(plan->total_bytes() <= available);
  auto least = plan_memory(tiny.model, {}, {fixed + kKvBlocksMin * kBlockBytes, 0});
  REQUIRE(least.ok());
  CHECK(least->total_bytes() <= fixed + kKvBlocksMin * kBlockBytes);
}

TEST_CASE("memory plan refuses what cannot fit and says what would") {
  Tiny tiny;
  auto plan = plan_memory(tiny.model, {}, {1000, 0});
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().code == ErrorCode::kConfiguration);
  CHECK_THAT(plan.error().message, Catch::Contains("are available") && Catch::Contains("would just fit"));

  auto tight = plan_memory(tiny.model, {}, {1ULL << 30, 5 * kBlockBytes});
  REQUIRE_FALSE(tight.ok());
  CHECK_THAT(tight.error().message, Catch::Contains("kv.memory is " + std::to_string(5 * kBlockBytes)) &&
                                        Catch::Contains(std::to_string(kKvBlocksMin * kBlockBytes)));

  auto greedy = plan_memory(tiny.model, {}, {64U << 20, 1ULL << 40});
  REQUIRE_FALSE(greedy.ok());
  CHECK_THAT(greedy.error().message, Catch::Contains("kv.memory up to"));
  auto hopeless = plan_memory(tiny.model, {}, {1000, 1ULL << 30});
  REQUIRE_FALSE(hopeless.ok());
  CHECK_THAT(hopeless.error().message, Catch::Contains("No kv.memory would fit"));
}

TEST_CASE("memory plan keeps to the K/V memory that was asked for") {
  Tiny tiny;
  auto plan = plan_memory(tiny.model, {}, {1ULL << 30, 100 * kBlockBytes + 1});
  REQUIRE(plan.ok());
  CHECK(plan->kv_blocks == 100);
}

TEST_CASE("memory plan counts the packed weights as they are") {
  for (DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_1, DType::kQ8_0, DType::kMxfp4, DType::kF32, DType::kF16}) {
    TinyShape shape;
    shape.type = shape.value_type = type;
    shape.tied = false;
    TemporaryFile file(tiny_model(shape).bytes());
    auto model = describe_file(file.path());
    auto plan = plan_memory(model->description, {}, {1ULL << 30, 0});
    REQUIRE(plan.ok());
    auto weights = load_weights(file.path());
    std::uint64_t norms = (2 * 2 + 1) * 64 * 4, rope = 512 * 16 * 4;
    CHECK(weights->weights_bytes == plan->weights_bytes - norms - rope);
  }
}

TEST_CASE("each thread packs the part of every matrix that it will multiply") {
  Bytes bytes(std::size_t{5000} * 34, 0);
  GgufTensor tensor;
  tensor.type = DType::kQ8_0;
  tensor.dimensions = 2;
  HostModel model;
  HostFormats formats;
  PackJobs jobs(formats, model);
  const std::vector<std::uint32_t> rows_of_jobs = {5000, 576, 16, 100};
  std::vector<PackedMatrix> targets(rows_of_jobs.size());
  for (std::size_t i = 0; i < rows_of_jobs.size(); ++i) {
    tensor.shape = {32, rows_of_jobs[i], 1, 1};
    tensor.byte_count = std::uint64_t{rows_of_jobs[i]} * 34;
    tensor.bytes = std::as_bytes(std::span<const std::uint8_t>(bytes)).first(tensor.byte_count);
    jobs.add("w", tensor, rows_of(tensor), targets[i]);
  }
  for (std::uint32_t threads : {1U, 2U, 5U, 64U}) {
    INFO(threads << " threads");
    auto pieces = jobs.pieces(threads);
    REQUIRE(pieces.size() % threads == 0);
    std::vector<std::uint32_t> next(rows_of_jobs.size(), 0);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const PackJobs::Piece& piece = pieces[i];
      CHECK(piece.first_row == next[piece.job]);  // one after the other, none twice
      CHECK(piece.first_row % 16 == 0);
      next[piece.job] += piece.rows;
      // The pool's thread t takes pieces [t/T, (t+1)/T): so it has the rows of that part, to a tile.
      std::size_t thread = i * threads / pieces.size();
      std::uint32_t rows = rows_of_jobs[piece.job];
      CHECK(piece.first_row + 16 > rows * thread / threads);
      CHECK(piece.first_row + piece.rows <= rows * (thread + 1) / threads + 16);
    }
    CHECK(next == rows_of_jobs);
  }
}
