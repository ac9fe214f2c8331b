#include "model/model_source.hpp"

#include <filesystem>

#include "model/architectures/architecture.hpp"
#include "model/gguf/gguf_file.hpp"
#include "model/gguf/load_error.hpp"
#include "model/safetensors/folder_tokenizer.hpp"
#include "model/safetensors/safetensors_folder.hpp"
#include "model/tokenizer_metadata.hpp"

namespace troupe {
namespace {

class GgufSource : public ModelSource {
 public:
  GgufSource(std::string name, GgufFile file) : name_(std::move(name)), file_(std::move(file)) {}

  std::string name() const override { return name_; }
  const Metadata& metadata() const override { return file_.metadata(); }
  const TensorTable& tensors() const override { return file_.tensors(); }
  std::span<const std::uint8_t> header() const override { return file_.header(); }
  std::int64_t modified_s() const override { return file_.modified_s(); }
  void forget(std::span<const std::byte> read) const override { file_.forget(read); }
  Result<TokenizerSpec> take_tokenizer(std::uint32_t vocab_size) override {
    return read_tokenizer_spec(metadata(), vocab_size);
  }
  Result<GgufForm> gguf_form() override { return GgufForm{metadata(), {}}; }

 private:
  std::string name_;
  GgufFile file_;
};

class FolderSource : public ModelSource {
 public:
  FolderSource(std::string name, SafetensorsFolder folder, TokenizerSpec spec)
      : name_(std::move(name)), folder_(std::move(folder)), spec_(std::move(spec)) {}

  std::string name() const override { return name_; }
  const Metadata& metadata() const override { return folder_.metadata(); }
  const TensorTable& tensors() const override { return folder_.tensors(); }
  std::span<const std::uint8_t> header() const override { return folder_.header(); }
  std::int64_t modified_s() const override { return folder_.modified_s(); }
  void forget(std::span<const std::byte> read) const override { folder_.forget(read); }
  // As many tokens as the embeddings have rows: keep_tokens has seen to it.
  Result<TokenizerSpec> take_tokenizer(std::uint32_t) override { return std::move(spec_); }

  Result<GgufForm> gguf_form() override {
    auto description = describe_model(metadata(), tensors());
    if (!description) return description.error();
    GgufForm form;
    written_ = MetadataWriter();
    for (const auto& [key, value] : metadata().all())
      if (key != kHalfSplit) written_.value(key, value);
    written_.text("general.name", name_);
    if (Status status = write_tokenizer_spec(spec_, written_); !status) return status.error();
    auto metadata = written_.parse();
    if (!metadata) return metadata.error();
    form.metadata = std::move(*metadata);
    // GGUF's llama rotates adjacent pairs, in the rows' order of its own.
    if (description->hyper.architecture != "llama") return form;
    for (const LayerTensors& layer : description->layers) {
      for (const GgufTensor* tensor : {layer.attn_q, layer.attn_k, layer.attn_q_bias, layer.attn_k_bias}) {
        if (tensor == nullptr) continue;
        std::uint64_t values = tensor->dimensions == 1 ? tensor->shape[0] : tensor->rows();
        form.orders.emplace(tensor, adjacent_order(values, description->hyper.head_dim));
      }
    }
    return form;
  }

 private:
  static constexpr std::string_view kHalfSplit = "llama.rope.half_split";

  std::string name_;
  SafetensorsFolder folder_;
  TokenizerSpec spec_;
  MetadataWriter written_;
};

std::string name_of_folder(const std::string& path) {
  std::error_code ignored;
  std::filesystem::path whole = std::filesystem::absolute(path, ignored).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

Result<std::unique_ptr<ModelSource>> open_folder(const std::string& path) {
  auto folder = SafetensorsFolder::open(path);
  if (!folder) return folder.error();
  auto spec = read_folder_tokenizer(path, folder->end_ids());
  if (!spec) return spec.error();
  if (Status status = folder->keep_tokens(spec->tokens.size()); !status) return status.error();
  return std::unique_ptr<ModelSource>(
      std::make_unique<FolderSource>(name_of_folder(path), std::move(*folder), std::move(*spec)));
}

}  // namespace

Result<std::unique_ptr<ModelSource>> open_model(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return open_folder(path);
  auto file = GgufFile::open(path);
  if (!file) return file.error();
  std::string name = std::filesystem::path(path).stem().string();
  return std::unique_ptr<ModelSource>(std::make_unique<GgufSource>(std::move(name), std::move(*file)));
}

}  // namespace troupe
