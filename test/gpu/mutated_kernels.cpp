#include "test/gpu/mutated_kernels.hpp"

namespace troupe::test {
namespace {

const HostKernels& sound() {
  static const HostKernels& kernels = **select_kernels("");
  return kernels;
}

// Blocks of one tile of tokens lie together, so the second half of the columns begins `super_blocks` blocks later.
void split_gemm(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end,
                const ActivationBlock* activations, std::uint32_t token_begin, std::uint32_t token_end,
                const GemmOutput& out) {
  if (token_end - token_begin < 2 || w.super_blocks < 2 || takes_two_tiles(out.epilogue)) {
    sound().gemm(w, tile_begin, tile_end, activations, token_begin, token_end, out);
    return;
  }
  PackedMatrix low = w;
  low.super_blocks = w.super_blocks / 2;
  PackedMatrix high = w;
  high.super_blocks = w.super_blocks - low.super_blocks;
  high.data = w.data + std::size_t{low.super_blocks} * layout_of(w.format).super_block_bytes();
  for (std::uint32_t token = token_begin; token < token_end; ++token) {
    const ActivationBlock* const blocks = activations + std::size_t{token / kTokenTile} * w.blocks;
    const std::uint32_t slot = token % kTokenTile;
    GemmOutput row = out;
    row.y = out.y + (token - slot) * out.stride;  // the kernel adds slot * stride
    sound().gemm(low, tile_begin, tile_end, blocks, slot, slot + 1, row);
    row.epilogue = Epilogue::kAdd;
    row.bias = nullptr;
    sound().gemm(high, tile_begin, tile_end, blocks + std::size_t{layout_of(w.format).blocks} * low.super_blocks, slot,
                 slot + 1, row);
  }
}

}  // namespace

HostKernels mutated_kernels() {
  HostKernels kernels = sound();
  kernels.name = "mutated";
  kernels.gemm = split_gemm;
  return kernels;
}

}  // namespace troupe::test
