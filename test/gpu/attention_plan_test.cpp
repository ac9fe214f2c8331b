// How a step's attention is cut: every head and span once, K/V known before they are read, and rows that decode
// appended by the items that read them.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <vector>

#include "gpu/host/phases.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;
}  // namespace

TEST_CASE("a plan covers every head and span of every row once, and never leaves a page") {
  Random random(43);
  const std::vector<std::uint32_t> blocks(1024, 0);
  for (const auto& [heads, kv_heads] :
       std::map<std::uint32_t, std::uint32_t>{{9, 3}, {4, 4}, {14, 2}, {24, 2}, {8, 1}}) {
    for (const std::uint32_t threads : {1U, 2U, 64U}) {
      for (const std::uint32_t window : {0U, 8U, 300U}) {
        for (const std::uint32_t rows_wanted : {1U, 3U, 150U}) {
          CAPTURE(heads, kv_heads, threads, window, rows_wanted);
          AttentionPlan plan =
              *AttentionPlan::make({heads, kv_heads, 16, 1.0F, nullptr, window, {}}, 200, 4000, threads);
          std::vector<SequenceRows> sequences;
          std::uint32_t rows = 0;
          while (rows < rows_wanted) {
            const std::uint32_t count = std::min(rows_wanted - rows, 1 + random.below(40));
            sequences.push_back({rows, count, random.below(3900), blocks.data()});
            rows += count;
          }
          plan.build(sequences);
          REQUIRE(plan.rows().size() == rows);
          std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> seen;  // (row, head): spans
          for (const AttentionPlan::Item& item : plan.items()) {
            REQUIRE(item.tokens * item.heads <= kQueryRowsMax);
            REQUIRE(item.heads >= 1);
            const AttentionPlan::Row& first = plan.rows()[item.first_row];
            const std::uint32_t last_row = item.first_row + item.tokens - 1;
            const AttentionPlan::Row& last = plan.rows()[last_row];
            CHECK(first.position / 16 == last.position / 16);
            CHECK(last.position - first.position + 1 == item.tokens);
            CHECK(first_visible(first.position, window) / 256 == first_visible(last.position, window) / 256);
            const std::uint32_t spans = first.position / 256 - first_visible(first.position, window) / 256 + 1;
            for (std::uint32_t row = item.first_row; row <= last_row; ++row) {
              for (std::uint32_t head = item.first_head; head < item.first_head + std::uint32_t{item.heads}; ++head) {
                CHECK(head / (heads / kv_heads) == item.kv_head);
                seen[{row, head}] += item.span == kAllSpans ? spans : 1;
              }
            }
          }
          CHECK(seen.size() == std::size_t{rows} * heads);
          for (const auto& [key, spans] : seen) {
            const std::uint32_t position = plan.rows()[key.first].position;
            CHECK(spans == position / 256 - first_visible(position, window) / 256 + 1);
          }
        }
      }
    }
  }
}

TEST_CASE("each thread knows which blocks of K and V it will read, up to what its cache has room for") {
  const KvLayout layout{3, 2, 64, KvType::kInt8};
  std::vector<std::byte> pool(1);  // only addresses are asked for
  std::vector<std::uint32_t> blocks(4000);
  for (std::uint32_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
  for (const std::uint32_t threads : {1U, 2U, 3U}) {
    for (const std::uint32_t window : {0U, 40U}) {
      CAPTURE(threads, window);
      AttentionPlan plan = *AttentionPlan::make({4, 2, 64, 1.0F, nullptr, window, {}}, 64, 64000, threads);
      std::vector<SequenceRows> sequences;  // of unlike lengths, each with blocks of its own
      for (std::uint32_t i = 0; i < 12; ++i) sequences.push_back({i, 1, 5 + i, blocks.data() + i});
      sequences.push_back({12, 1, 300, blocks.data() + 12});
      plan.build(sequences);
      std::vector<FetchAhead> ahead(threads);
      plan.fetch_ahead({layout, pool.data()}, 1, ahead);

      std::set<std::uint32_t> read, listed;
      for (const AttentionPlan::Row& row : plan.rows())
        for (std::uint32_t page = first_visible(row.position, window) / 16; page <= row.position / 16; ++page)
          read.insert(row.blocks[page]);
      for (const FetchAhead& own : ahead) {
        CHECK(own.base == pool.data() + layout.page_offset(1, 0));
        CHECK(own.stride == layout.block_bytes());
        CHECK(own.bytes == 2 * layout.page_bytes());
        CHECK(own.at == 0);
        listed.insert(own.block, own.end);
      }
      CHECK(listed == read);

      const SequenceRows huge[] = {{0, 1, 63000, blocks.data()}};
      plan.build(huge);
      plan.fetch_ahead({layout, pool.data()}, 0, ahead);
      for (const FetchAhead& own : ahead) {
        const auto count = static_cast<std::size_t>(own.end - own.block);
        CHECK(count * own.bytes <= 256 * 1024);
        CHECK(count <= 256);
      }
    }
  }
}

TEST_CASE("rows append by their items only where no other row sees the block") {
  AttentionPlan plan = *AttentionPlan::make({4, 2, 64, 1.0F, nullptr, 0, {}}, 64, 640, 2);
  const std::uint32_t first[] = {0, 1, 2, 3}, second[] = {0, 1, 2, 4}, third[] = {0, 1, 5, 6};
  const auto by_item = [&](std::vector<SequenceRows> sequences) {
    plan.build(sequences);
    return plan.appends_by_item();
  };
  CHECK(by_item({{0, 1, 50, first}, {1, 1, 60, second}, {2, 1, 63, third}}));        // a prefix is shared
  CHECK_FALSE(by_item({{0, 1, 50, first}, {1, 1, 51, first}, {2, 1, 63, third}}));   // two of one sequence
  CHECK_FALSE(by_item({{0, 1, 40, first}, {1, 1, 60, second}, {2, 1, 63, third}}));  // block 2 is seen by the second
  CHECK_FALSE(by_item({{0, 1, 50, first}, {1, 2, 60, second}, {3, 1, 63, third}}));  // two tokens in a row
}

TEST_CASE("exact_append: rows that decode together are appended by their items as each would be alone") {
  constexpr std::uint32_t kHeads = 6, kKvHeads = 2, kDim = 64, kRows = 9, kPosition = 21;
  constexpr std::size_t kQkv = (kHeads + 2 * kKvHeads) * kDim;
  for (const KvType type : {KvType::kInt8, KvType::kF16}) {
    Random random(46);
    const KvLayout layout{1, kKvHeads, kDim, type};
    RopeParameters parameters;
    parameters.positions = 64;
    parameters.dims = kDim;
    const RopeTable rope = *RopeTable::make(parameters);
    const AttentionShape shape{kHeads, kKvHeads, kDim, score_scale(kDim, 0.0, type), &rope, 0, {}};
    const Aligned<float> rows(kRows * kQkv), gain(kDim), past(kQkv);
    fill(rows, Kind::kOrdinary, random);
    fill(gain, Kind::kOrdinary, random);
    fill(past, Kind::kOrdinary, random);
    rows[3 * kQkv + kHeads * kDim] = std::numeric_limits<float>::infinity();  // a key of row 3
    std::vector<std::uint32_t> blocks(2 * kRows);
    for (std::uint32_t i = 0; i < blocks.size(); ++i) blocks[i] = i;
    ThreadPool pool(2);
    const Host host{pool, **select_kernels("")};

    // All rows in one step, or each in a step of its own, where too few items are there for groups.
    const auto run = [&](bool together, const Aligned<std::byte>& pages, const Aligned<float>& out,
                         std::vector<std::uint8_t>& poisoned) {
      const Aligned<float> own(rows.size());
      std::memcpy(own.data(), rows.data(), rows.bytes());
      AttentionPlan plan = *AttentionPlan::make(shape, kRows, 64, 2);
      const KvPool kv{layout, pages.data()};
      for (std::uint32_t row = 0; row < kRows; row += together ? kRows : 1) {
        std::vector<SequenceRows> sequences;
        for (std::uint32_t i = 0; i < (together ? kRows : 1); ++i)
          sequences.push_back({i, 1, kPosition, blocks.data() + 2 * (row + i)});
        plan.build(sequences);
        CHECK(plan.appends_by_item() == together);
        const QkvRows qkv{own.data() + row * kQkv,
                          kQkv,
                          {gain.data(), gain.data(), 1e-5F},
                          std::span(poisoned).subspan(row, sequences.size())};
        append_kv(host, plan, kv, 0, qkv);
        attention(host, plan, kv, 0, qkv, out.data() + row * kHeads * kDim, kHeads * kDim, nullptr);
      }
    };
    const std::size_t bytes = blocks.size() * layout.block_bytes();
    const Aligned<std::byte> alone(bytes), batch(bytes);
    const Aligned<float> out_alone(kRows * kHeads * kDim), out_batch(kRows * kHeads * kDim);
    std::vector<std::uint8_t> poisoned_alone(kRows), poisoned_batch(kRows);
    run(false, alone, out_alone, poisoned_alone);
    run(true, batch, out_batch, poisoned_batch);
    CHECK(same_bits(alone, batch));
    CHECK(same_bits(out_alone, out_batch));
    CHECK(poisoned_alone == poisoned_batch);
    CHECK(std::count(poisoned_batch.begin(), poisoned_batch.end(), 1) == 1);
    CHECK(poisoned_batch[3] == 1);
  }
}

}  // namespace troupe
