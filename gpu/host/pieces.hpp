#pragma once
// How the phases share out their work. Only phases include this.
#include <algorithm>
#include <cstdint>

#include "gpu/host/phases.hpp"

namespace troupe {

// From so many tokens a thread on, weights are worth reading once for each thread, and what few tokens do in passing is
// worth a phase of its own.
inline constexpr std::uint32_t kManyTokens = 32;
inline constexpr std::uint32_t kRowsAlone = 8;  // rows (0.2 us each) the caller does itself: handing over costs 2 us

constexpr std::uint32_t ceil_div(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

// Splits `count` things into at most `claims` pieces a thread, each a multiple of `unit`, so that threads of equal speed
// end together; returns a piece's size.
constexpr std::uint32_t piece_of(std::uint32_t count, std::uint32_t threads, std::uint32_t claims,
                                 std::uint32_t unit) {
  const std::uint32_t smallest = std::max(ceil_div(ceil_div(count, threads * claims), unit), 1U) * unit;
  const auto longest = [=](std::uint32_t piece) { return ceil_div(ceil_div(count, piece), threads) * piece; };
  std::uint32_t best = smallest;
  for (std::uint32_t piece = smallest + unit; piece <= smallest + smallest / 2; piece += unit)
    if (longest(piece) < longest(best)) best = piece;
  return best;
}

// fn(begin, end) over [0, count) in pieces. fn is copied into what the threads read and should hold values, not
// references: every line they have to fetch from this core costs them 0.3 us.
template <class Fn>
void run_pieces(ThreadPool& pool, std::uint32_t count, std::uint32_t piece, const Fn& fn) {
  alignas(64) const auto tile = [count, piece, fn](std::uint32_t index, std::uint32_t) {
    fn(index * piece, std::min(count, (index + 1) * piece));
  };
  pool.run(ceil_div(count, piece), tile);
}

// fn(begin, end) over all tokens; a piece ends with an activation tile when there are enough, so that threads do not
// share lines.
template <class Fn>
void for_each_tokens(const Host& host, std::uint32_t tokens, const Fn& fn) {
  if (tokens == 0) return;
  const std::uint32_t unit = tokens >= host.pool.threads() * kTokenTile ? kTokenTile : 1;
  const std::uint32_t piece =
      tokens <= kRowsAlone ? tokens : piece_of(tokens, host.pool.threads(), kClaimsPerThread, unit);
  run_pieces(host.pool, tokens, piece, fn);
}
template <class Fn>
void for_each_token(const Host& host, std::uint32_t tokens, const Fn& fn) {
  for_each_tokens(host, tokens, [fn](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t token = begin; token < end; ++token) fn(token);
  });
}

// fn(token, count) for the parts of [begin, end) that lie in one activation tile each.
template <class Fn>
void for_each_tile(std::uint32_t begin, std::uint32_t end, const Fn& fn) {
  while (begin < end) {
    const std::uint32_t count = std::min(end - begin, kTokenTile - begin % kTokenTile);
    fn(begin, count);
    begin += count;
  }
}

// Rows of activations being quantised piece by piece: columns [first, first + count) of `token`, whole blocks of 32.
struct CodesOfRows {
  ActivationBlock* codes;
  std::uint32_t columns;  // of a row
  decltype(HostKernels::quantize) quantize;
  decltype(HostKernels::quantize_tile) quantize_tile;

  CodesOfRows(const HostKernels& kernels, ActivationBlock* the_codes, std::uint32_t the_columns)
      : codes(the_codes), columns(the_columns), quantize(kernels.quantize), quantize_tile(kernels.quantize_tile) {}
  // x: of the first token.
  void put(const float* x, std::size_t stride, std::uint32_t token_begin, std::uint32_t token_end, std::uint32_t first,
           std::uint32_t count) const {
    const std::uint32_t blocks = columns / kBlockK;
    const bool odd = first + count == columns && blocks % 2 != 0;
    for_each_tile(token_begin, token_end, [&](std::uint32_t token, std::uint32_t tokens) {
      ActivationBlock* const tile = codes + std::size_t{token / kTokenTile} * activation_blocks(columns);
      const float* const row = x + (token - token_begin) * stride;
      if (tokens == kTokenTile) quantize_tile(row, stride, count, tile + first / kBlockK);
      for (std::uint32_t i = 0; i < tokens; ++i) {
        if (tokens < kTokenTile) quantize(row + i * stride, count, tile + first / kBlockK, token % kTokenTile + i);
        if (odd) zero_slot(tile[blocks], token % kTokenTile + i);
      }
    });
  }
};

}  // namespace troupe
