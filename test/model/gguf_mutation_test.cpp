// Mutants of a valid model file that know where the header's numbers are. Each must load or be refused with a clear
// error; none may end in a signal, nor ask for memory that its own size does not justify.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "model/architectures/architecture.hpp"
#include "model/gguf/load_error.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "model/tokenizer_metadata.hpp"
#include "test/model/allocation_counter.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr int kMutants = 20000;

std::uint64_t seed_of_run() {
  const char* given = std::getenv("TROUPE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 20260101;
}

std::uint64_t interesting(std::mt19937_64& random, std::uint64_t size) {
  const std::uint64_t values[] = {0,          1,          2,          3,          7,          0x7F,       0xFF,
                                  0xFFFF,     0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1ULL << 32, 1ULL << 40, 1ULL << 62,
                                  1ULL << 63, ~0ULL,      ~0ULL - 1,  size,       size - 1,   size + 1,   size / 2};
  constexpr std::size_t kCount = std::size(values);
  std::size_t pick = random() % (kCount + 4);
  return pick < kCount ? values[pick] : random() >> random() % 64;
}

Bytes mutate(const ByteWriter& file, std::size_t header_bytes, std::mt19937_64& random) {
  Bytes bytes = file.bytes();
  for (std::uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
    switch (random() % 6) {
      case 0:
      case 1:
      case 2: {  // one of the header's numbers
        auto [at, size] = file.fields()[random() % file.fields().size()];
        if (at + size > bytes.size()) break;
        std::uint64_t value = interesting(random, bytes.size());
        std::memcpy(bytes.data() + at, &value, size);
        break;
      }
      case 3:  // one bit of the header
        if (bytes.size() >= header_bytes)
          bytes[random() % header_bytes] ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
      case 4:  // cut off
        bytes.resize(random() % 4 == 0 ? random() % bytes.size()
                                       : bytes.size() - random() % std::min<std::size_t>(64, bytes.size()));
        break;
      default: {  // a piece of the header left out or doubled
        std::size_t at = random() % std::min(header_bytes, bytes.size()), length = 1 + random() % 64;
        length = std::min(length, bytes.size() - at);
        if (random() % 2 == 0) {
          bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
        } else {
          Bytes piece(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      bytes.begin() + static_cast<std::ptrdiff_t>(at + length));
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
        }
      }
    }
    if (bytes.empty()) bytes.push_back(0);
  }
  return bytes;
}

Status load(std::span<const std::uint8_t> bytes) {
  auto contents = parse_gguf(bytes);
  if (!contents) return contents.error();
  auto model = describe_model(contents->metadata, contents->tensors);
  if (!model) return model.error();
  auto plan = plan_memory(*model, HostLimits{}, MemoryBudget{1ULL << 30, 0});
  if (!plan) return plan.error();
  auto tokenizer = read_tokenizer_spec(contents->metadata, model->hyper.vocab_size);
  return tokenizer ? Status{} : Status(tokenizer.error());
}

}  // namespace

TEST_CASE("gguf reader survives mutants of a valid file") {
  std::uint64_t seed = seed_of_run();
  INFO("TROUPE_SEED=" << seed);
  TinyShape shape;
  shape.layers = 1;
  shape.hidden = 32;
  shape.head_dim = 16;
  shape.intermediate = 32;
  ByteWriter file = tiny_model_with_tokenizer(shape).write();
  REQUIRE(load(file.bytes()).ok());
  std::size_t header_bytes = parse_gguf(file.bytes())->header_bytes;

  std::mt19937_64 random(seed);
  int loaded = 0;
  for (int mutant = 0; mutant < kMutants; ++mutant) {
    Bytes bytes = mutate(file, header_bytes, random);
    start_counting();
    Status status = load(bytes);
    Allocations allocations = stop_counting();
    loaded += status.ok();
    bool clear = status.ok() ||
                 ((status.error().code == ErrorCode::kModelFile || status.error().code == ErrorCode::kConfiguration) &&
                  status.error().message.size() > 8 && status.error().message.size() < 500);
    if (clear && allocations.largest <= 4 * bytes.size() + 4096) continue;
    INFO("mutant " << mutant << ", largest allocation " << allocations.largest << " of a file of " << bytes.size());
    INFO((status.ok() ? std::string("loaded") : status.error().message));
    CHECK(clear);
    CHECK(allocations.largest <= 4 * bytes.size() + 4096);
  }
  CHECK(loaded < kMutants / 2);
  CHECK(loaded > 0);
}
