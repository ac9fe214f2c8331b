#include "model/quantize_model.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <tuple>
#include <vector>

#include "gpu/host/thread_pool.hpp"
#include "model/gguf/gguf_output.hpp"
#include "model/gguf/load_error.hpp"
#include "model/model_source.hpp"
#include "tensor/quantize.hpp"

namespace troupe {
namespace {

// general.file_type of a file whose matrices are mostly of this type.
std::uint32_t file_type_of(DType type) {
  switch (type) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return 1;
    case DType::kQ4_0:
      return 2;
    case DType::kQ4_1:
      return 3;
    case DType::kQ8_0:
      return 7;
    case DType::kQ5_0:
      return 8;
    case DType::kQ5_1:
      return 9;
    case DType::kQ4_K:
      return 14;
    case DType::kQ5_K:
      return 16;
    case DType::kQ6_K:
      return 18;
    case DType::kIq4Nl:
      return 25;
    case DType::kBF16:
      return 32;
    case DType::kQ2_K:
    case DType::kQ3_K:
    case DType::kIq4Xs:
    case DType::kMxfp4:
      break;
  }
  return 1024;  // guessed
}

DType with_blocks_of_32(DType type) {
  switch (type) {
    case DType::kQ4_K:
      return DType::kQ5_0;
    case DType::kQ5_K:
      return DType::kQ5_1;
    case DType::kQ6_K:
      return DType::kQ8_0;
    default:
      return type;
  }
}

bool has_few_bits(DType type) {
  const BlockFormat& format = format_of(type);
  return 8 * format.block_bytes < 8 * format.block_elements;
}

DType type_for(const std::string& name, const GgufTensor& tensor, DType wanted) {
  if (tensor.dimensions < 2) return DType::kF32;  // what every program reads
  bool is_vocabulary = name == "token_embd.weight" || name == "output.weight";
  DType type = is_vocabulary && has_few_bits(wanted) ? DType::kQ6_K : wanted;
  if (tensor.shape[0] % format_of(type).block_elements != 0) type = with_blocks_of_32(type);
  if (tensor.shape[0] % format_of(type).block_elements != 0) type = DType::kF16;
  return type;
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

// Row by row on all threads. The name of what is wrong, or empty.
std::string convert(const GgufTensor& from, DType type, ThreadPool& pool, std::vector<std::byte>& out) {
  const BlockFormat& target = format_of(type);
  const QuantizeBlocks quantize = quantizer_of(type);
  const std::uint64_t elements = from.shape[0];
  const std::uint64_t row_bytes = elements / target.block_elements * target.block_bytes;
  out.resize(row_bytes * from.rows());
  std::atomic<bool> finite = true, fits = true;
  const auto tiles = static_cast<std::uint32_t>(std::min<std::uint64_t>(from.rows(), 1024));
  pool.run(tiles, [&](std::uint32_t tile, std::uint32_t) {
    std::vector<float> values(elements);
    for (std::uint64_t row = tile; row < from.rows(); row += tiles) {
      dequantize_row(from.type, from.row(row), elements, values.data());
      if (!all_finite(values)) {
        finite = false;
        return;
      }
      quantize(values.data(), elements / target.block_elements, out.data() + row * row_bytes);
      // A value or a scale beyond a half's 65504 would be an infinity there.
      dequantize_row(type, out.data() + row * row_bytes, elements, values.data());
      if (!all_finite(values)) fits = false;
    }
  });
  if (!finite) return "has a value that is not finite";
  return fits ? "" : std::string("has a value that is too large for ") + target.name;
}

std::vector<std::byte> in_order(std::span<const std::byte> rows, const RowOrder& order) {
  std::vector<std::byte> out(rows.size());
  const std::size_t bytes = rows.size() / order.size();
  for (std::size_t i = 0; i < order.size(); ++i) std::memcpy(&out[i * bytes], &rows[order[i] * bytes], bytes);
  return out;
}

Error cannot_read(const std::string& path, const Error& error) {
  return Error{error.code, "cannot read '" + path + "': " + error.message, "", 0};
}

}  // namespace

Result<QuantizedFile> quantize_model(const std::string& from, const std::string& to, DType type, std::uint32_t threads,
                                     const std::function<void(double)>& progress) {
  if (quantizer_of(type) == nullptr) {
    return Error{ErrorCode::kConfiguration,
                 std::string(format_of(type).name) +
                     " can be read, not written (write F16, BF16, Q8_0, Q6_K, Q5_K, Q5_0, "
                     "Q5_1, Q4_K, Q4_0, Q4_1 or IQ4_NL)",
                 "", 0};
  }
  auto source = open_model(from);
  if (!source) return cannot_read(from, source.error());
  auto form = (*source)->gguf_form();
  if (!form) return cannot_read(from, form.error());

  std::vector<std::pair<std::string, const GgufTensor*>> sources;
  for (const auto& [name, tensor] : (*source)->tensors().all()) sources.emplace_back(name, &tensor);
  std::sort(sources.begin(), sources.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second->offset, a.first) < std::tie(b.second->offset, b.first);
  });
  QuantizedFile result;
  std::vector<TensorToWrite> targets;
  for (const auto& [name, tensor] : sources) {
    TensorToWrite target{name, type_for(name, *tensor, type), tensor->shape, tensor->dimensions, 0};
    target.byte_count = *row_bytes(target.type, tensor->shape[0]) * tensor->rows();
    result.bytes_before += tensor->byte_count;
    result.bytes_after += target.byte_count;
    ++result.tensors[format_of(target.type).name];
    targets.push_back(std::move(target));
  }
  std::map<std::string, std::uint32_t> changed = {{"general.file_type", file_type_of(type)},
                                                  {"general.quantization_version", 2}};
  if (form->metadata.has("split.count"))
    changed["split.count"] = changed["split.no"] = 0;  // what is written is one file
  auto output = GgufOutput::create(to, form->metadata, changed, targets);
  if (!output) return output.error();
  ThreadPool pool(threads, "quantize");
  std::vector<std::byte> converted, reordered;
  std::uint64_t done = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const GgufTensor& tensor = *sources[i].second;
    std::span<const std::byte> bytes = tensor.bytes;
    if (targets[i].type != tensor.type) {
      pool.begin_step();
      std::string wrong = convert(tensor, targets[i].type, pool, converted);
      pool.end_step();
      if (!wrong.empty()) return load_error(sources[i].first, wrong);
      bytes = converted;
    }
    if (auto order = form->orders.find(&tensor); order != form->orders.end()) {
      reordered = in_order(bytes, order->second);
      bytes = reordered;
    }
    if (Status status = output->append(bytes); !status) return status.error();
    (*source)->forget(tensor.bytes);
    done += tensor.byte_count;
    if (progress) progress(static_cast<double>(done) / static_cast<double>(result.bytes_before));
  }
  if (Status status = output->finish(); !status) return status.error();
  return result;
}

}  // namespace troupe
