#include "gpu/host/phases.hpp"

#include <bit>

#include "gpu/host/pieces.hpp"

namespace troupe {
namespace {

bool all_finite(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;  // a fixed trip count, for wide instructions
  constexpr std::uint32_t kExponent = 0x7F800000;
  auto is_special = [](float value) {
    return (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
  };
  std::uint32_t found[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= values.size(); i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) found[lane] |= is_special(values[i + lane]);
  for (; i < values.size(); ++i) found[0] |= is_special(values[i]);
  return std::all_of(std::begin(found), std::end(found), [](std::uint32_t lane) { return lane == 0; });
}

// How a product of all rows and tokens is cut: where there are many tokens each thread has tokens of its own, as it has
// in the phases around, so that activations stay in its caches; few tokens share the weights, each thread some rows.
struct Cut {
  std::uint32_t tokens, blocks;  // of tokens
  std::uint32_t tiles, piece;    // of tiles

  Cut(const Host& host, const PackedMatrix& w, std::uint32_t the_tokens, std::uint32_t unit)
      : tokens(the_tokens),
        blocks(std::clamp(tokens / kManyTokens, 1U, host.pool.threads())),
        tiles(w.tiles),
        piece(piece_of(tiles, ceil_div(host.pool.threads(), blocks), kClaimsPerThread, unit)) {}
  std::uint32_t block_begin(std::uint32_t block) const {
    return block == blocks ? tokens : tokens * block / blocks / kTokenTile * kTokenTile;
  }
  // fn(tile_begin, tile_end, token_begin, token_end, thread)
  template <class Fn>
  void run(ThreadPool& pool, const Fn& fn) const {
    const std::uint32_t pieces = ceil_div(tiles, piece);
    alignas(64) const auto part = [cut = *this, pieces, fn](std::uint32_t index, std::uint32_t thread) {
      const std::uint32_t block = index / pieces, begin = index % pieces * cut.piece;
      fn(begin, std::min(cut.tiles, begin + cut.piece), cut.block_begin(block), cut.block_begin(block + 1), thread);
    };
    pool.run(blocks * pieces, part);
  }
};

// linear() in pieces of a multiple of `unit` tiles; then(tile_begin, tile_end, token_begin, token_end) follows each
// piece on the same thread.
template <class Then>
void linear_then(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                 const GemmOutput& out, std::uint32_t unit, const Then& then) {
  if (tokens == 0) return;
  const Cut cut(host, w, tokens, unit);
  if (has_codes(w.format)) {
    const auto kernel = host.kernels.gemm;
    const ActivationBlock* const codes = x.codes;
    cut.run(host.pool,
            [=](std::uint32_t begin, std::uint32_t end, std::uint32_t first, std::uint32_t last, std::uint32_t thread) {
              GemmOutput mine = out;
              if (out.ahead != nullptr) mine.ahead += thread;
              kernel(w, begin, end, codes, first, last, mine);
              then(begin, end, first, last);
            });
    return;
  }
  const auto kernel = host.kernels.gemm_floats;
  const RowsView rows = x.rows;
  cut.run(host.pool,
          [=](std::uint32_t begin, std::uint32_t end, std::uint32_t first, std::uint32_t last, std::uint32_t) {
            kernel(w, begin, end, rows.data, rows.stride, first, last, out);
            then(begin, end, first, last);
          });
}

}  // namespace

void rmsnorm_quantize(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps,
                      std::uint32_t tokens, ActivationBlock* out, const std::uint32_t* order) {
  const std::size_t tile_blocks = activation_blocks(columns);
  const std::uint32_t blocks = columns / kBlockK;
  const auto kernel = host.kernels.rmsnorm_quantize;
  const auto tile_kernel = host.kernels.rmsnorm_quantize_tile;
  const auto row_of = [=](std::uint32_t token) {
    return x.data + std::size_t{order == nullptr ? token : order[token]} * x.stride;
  };
  for_each_tokens(host, tokens, [=](std::uint32_t begin, std::uint32_t end) {
    for_each_tile(begin, end, [=](std::uint32_t token, std::uint32_t count) {
      ActivationBlock* const tile = out + token / kTokenTile * tile_blocks;
      const bool whole = count == kTokenTile && row_of(token + 7) == row_of(token) + 7 * x.stride;
      if (whole) tile_kernel(row_of(token), x.stride, gain, columns, eps, tile);
      for (std::uint32_t slot = token % kTokenTile; count > 0; --count, ++token, ++slot) {
        if (!whole) kernel(row_of(token), gain, columns, eps, tile, slot);
        if (blocks % 2 != 0) zero_slot(tile[blocks], slot);
      }
    });
  });
}

void rmsnorm(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps, std::uint32_t tokens,
             float* out, std::size_t out_stride, const std::uint32_t* order) {
  const auto kernel = host.kernels.rmsnorm;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    const std::size_t row = order == nullptr ? token : order[token];
    kernel(x.data + row * x.stride, gain, columns, eps, out + token * out_stride);
  });
}

void add_rmsnorm(const Host& host, float* y, std::size_t y_stride, const float* gain, std::uint32_t columns, float eps,
                 std::uint32_t tokens, float* x, std::size_t x_stride) {
  const auto kernel = host.kernels.rmsnorm;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    float* const from = y + token * y_stride;
    float* const to = x + token * x_stride;
    kernel(from, gain, columns, eps, from);
    for (std::uint32_t i = 0; i < columns; ++i) to[i] += from[i];
  });
}

void gate_mul(const Host& host, Epilogue how, RowsView gate, RowsView up, std::uint32_t columns, std::uint32_t tokens,
              float* h, std::size_t h_stride, ActivationBlock* codes) {
  const auto kernel = host.kernels.gate_mul;
  const CodesOfRows target(host.kernels, codes, columns);
  for_each_tokens(host, tokens, [=](std::uint32_t begin, std::uint32_t end) {
    for_each_tile(begin, end, [=](std::uint32_t first, std::uint32_t count) {
      for (std::uint32_t token = first; token < first + count; ++token)
        kernel(how, gate.data + token * gate.stride, up.data + token * up.stride, columns, h + token * h_stride);
      if (target.codes != nullptr) target.put(h + first * h_stride, h_stride, first, first + count, 0, columns);
    });
  });
}

void linear(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
            const GemmOutput& out) {
  linear_then(host, w, x, tokens, out, takes_two_tiles(out.epilogue) ? 2 : 1, [](auto...) {});
}

void linear_quantize(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                     const GemmOutput& out, ActivationBlock* codes) {
  const std::uint32_t tile_columns = takes_two_tiles(out.epilogue) ? kTileRows / 2 : kTileRows;
  const CodesOfRows target(host.kernels, codes, w.tiles * tile_columns);
  linear_then(host, w, x, tokens, out, kBlockK / tile_columns,
              [=](std::uint32_t begin, std::uint32_t end, std::uint32_t token, std::uint32_t last) {
                const std::uint32_t first = begin * tile_columns;
                target.put(out.y + token * out.stride + first, out.stride, token, last, first,
                           (end - begin) * tile_columns);
              });
}

LogitsPeak peak_of(const HostKernels& kernels, std::span<const float> logits) {
  return {kernels.max_logit(logits.data(), static_cast<std::uint32_t>(logits.size())), all_finite(logits)};
}

void linear_logits(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                   const GemmOutput& out, SoftCap cap, LogitsPeak* pieces, LogitsPeak* peaks) {
  const std::uint32_t piece_tiles = Cut(host, w, tokens, 1).piece;
  const HostKernels& kernels = host.kernels;
  linear_then(host, w, x, tokens, out, 1,
              [=, &kernels](std::uint32_t begin, std::uint32_t end, std::uint32_t token, std::uint32_t last) {
                const std::uint32_t first = begin * kTileRows, count = std::min(end * kTileRows, w.rows) - first;
                LogitsPeak* const found = pieces + std::size_t{begin / piece_tiles} * tokens;
                for (; token < last; ++token) {
                  float* const logits = out.y + token * out.stride + first;
                  if (cap.limit > 0.0F) kernels.soft_cap(logits, count, cap, logits);
                  found[token] = peak_of(kernels, {logits, count});
                  found[token].best.index += first;
                }
              });
  const std::uint32_t count = ceil_div(w.tiles, piece_tiles);
  for (std::uint32_t token = 0; token < tokens; ++token) {
    LogitsPeak peak = pieces[token];
    for (std::uint32_t piece = 1; piece < count; ++piece) {
      const LogitsPeak& next = pieces[std::size_t{piece} * tokens + token];
      peak.finite = peak.finite && next.finite;
      if (next.best.value > peak.best.value) peak.best = next.best;
    }
    peaks[token] = peak;
  }
}

}  // namespace troupe
