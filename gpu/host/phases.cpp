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

// linear() in pieces of a multiple of `unit` tiles; then(begin, end) follows each piece on the same thread.
template <class Then>
void linear_then(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                 const GemmOutput& out, std::uint32_t unit, const Then& then) {
  if (tokens == 0) return;
  const std::uint32_t piece = piece_of(w.tiles, claims_of(host), unit);
  if (has_codes(w.format)) {
    const auto kernel = host.kernels.gemm;
    const ActivationBlock* const codes = x.codes;
    run_pieces(host.pool, w.tiles, piece, [=](std::uint32_t begin, std::uint32_t end) {
      kernel(w, begin, end, codes, 0, tokens, out);
      then(begin, end);
    });
    return;
  }
  const auto kernel = host.kernels.gemm_floats;
  const RowsView rows = x.rows;
  run_pieces(host.pool, w.tiles, piece, [=](std::uint32_t begin, std::uint32_t end) {
    kernel(w, begin, end, rows.data, rows.stride, 0, tokens, out);
    then(begin, end);
  });
}

}  // namespace

void rmsnorm_quantize(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps,
                      std::uint32_t tokens, ActivationBlock* out, const std::uint32_t* order) {
  const std::size_t tile_blocks = activation_blocks(columns);
  const std::uint32_t blocks = columns / kBlockK;
  const auto kernel = host.kernels.rmsnorm_quantize;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    const std::size_t row = order == nullptr ? token : order[token];
    ActivationBlock* const tile = out + token / kTokenTile * tile_blocks;
    kernel(x.data + row * x.stride, gain, columns, eps, tile, token % kTokenTile);
    if (blocks % 2 != 0) zero_slot(tile[blocks], token % kTokenTile);
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
  const CodesOfRows target{codes, columns, host.kernels.quantize};
  for_each_token(host, tokens, [=](std::uint32_t token) {
    float* const row = h + token * h_stride;
    kernel(how, gate.data + token * gate.stride, up.data + token * up.stride, columns, row);
    if (target.codes != nullptr) target.put(row, token, 0, target.columns);
  });
}

void linear(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
            const GemmOutput& out) {
  linear_then(host, w, x, tokens, out, 2, [](std::uint32_t, std::uint32_t) {});
}

void linear_quantize(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                     const GemmOutput& out, ActivationBlock* codes) {
  const std::uint32_t tile_columns = takes_two_tiles(out.epilogue) ? kTileRows / 2 : kTileRows;
  const CodesOfRows target{codes, w.tiles * tile_columns, host.kernels.quantize};
  linear_then(host, w, x, tokens, out, kBlockK / tile_columns, [=](std::uint32_t begin, std::uint32_t end) {
    const std::uint32_t first = begin * tile_columns;
    for (std::uint32_t token = 0; token < tokens; ++token)
      target.put(out.y + token * out.stride + first, token, first, (end - begin) * tile_columns);
  });
}

LogitsPeak peak_of(const HostKernels& kernels, std::span<const float> logits) {
  return {kernels.max_logit(logits.data(), static_cast<std::uint32_t>(logits.size())), all_finite(logits)};
}

void linear_logits(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                   const GemmOutput& out, SoftCap cap, LogitsPeak* pieces, LogitsPeak* peaks) {
  const std::uint32_t piece_tiles = piece_of(w.tiles, claims_of(host), 2);
  const HostKernels& kernels = host.kernels;
  linear_then(host, w, x, tokens, out, 2, [=, &kernels](std::uint32_t begin, std::uint32_t end) {
    const std::uint32_t first = begin * kTileRows, count = std::min(end * kTileRows, w.rows) - first;
    LogitsPeak* const found = pieces + std::size_t{begin / piece_tiles} * tokens;
    for (std::uint32_t token = 0; token < tokens; ++token) {
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
