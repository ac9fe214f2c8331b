#include "test/model/folder_writer.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>

namespace troupe::test {
namespace {

std::string text_of(const std::vector<std::uint64_t>& numbers) {
  std::string text;
  for (std::uint64_t number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
  return "[" + text + "]";
}

// The names of the reference's table, from GGUF's side.
std::string hugging_face_name(const std::string& name, const FolderForm& form) {
  bool is_gemma = form.architecture == "gemma3", is_phi = form.architecture == "phi3";
  if (name == "token_embd.weight") return form.prefix + "model.embed_tokens.weight";
  if (name == "output_norm.weight") return form.prefix + "model.norm.weight";
  if (name == "output.weight") return form.prefix + "lm_head.weight";
  if (!name.starts_with("blk.")) return "";  // divisors of RoPE: config.json has them
  std::size_t dot = name.find('.', 4), last = name.rfind('.');
  const std::map<std::string, std::string> modules = {
      {"attn_norm", "input_layernorm"},
      {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},
      {"attn_qkv", "self_attn.qkv_proj"},
      {"attn_output", "self_attn.o_proj"},
      {"attn_q_norm", "self_attn.q_norm"},
      {"attn_k_norm", "self_attn.k_norm"},
      {"post_attention_norm", "post_attention_layernorm"},
      {"ffn_norm", is_gemma ? "pre_feedforward_layernorm" : "post_attention_layernorm"},
      {"post_ffw_norm", "post_feedforward_layernorm"},
      {"ffn_gate", "mlp.gate_proj"},
      {"ffn_up", is_phi ? "mlp.gate_up_proj" : "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"}};
  return form.prefix + "model.layers." + name.substr(4, dot - 4) + "." +
         modules.at(name.substr(dot + 1, last - dot - 1)) + name.substr(last);
}

// Row g * (head_dim / 2) + p of a head, g = 0 or 1, is GGUF's row 2p + g.
Bytes unpermuted(const Bytes& rows, std::size_t row_count, std::uint32_t head_dim) {
  Bytes out(rows.size());
  std::size_t bytes = rows.size() / row_count;
  for (std::size_t head = 0; head < row_count / head_dim; ++head)
    for (std::size_t g = 0; g < 2; ++g)
      for (std::size_t p = 0; p < head_dim / 2; ++p)
        std::memcpy(&out[(head * head_dim + g * (head_dim / 2) + p) * bytes],
                    &rows[(head * head_dim + 2 * p + g) * bytes], bytes);
  return out;
}

void subtract_one(Bytes& floats) {
  for (std::size_t at = 0; at < floats.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, &floats[at], sizeof value);
    value -= 1.0F;
    std::memcpy(&floats[at], &value, sizeof value);
  }
}

}  // namespace

Bytes safetensors_file(std::string_view header, const Bytes& data) {
  ByteWriter out;
  out.u64(header.size()).raw(header);
  out.bytes().insert(out.bytes().end(), data.begin(), data.end());
  return out.bytes();
}

Bytes safetensors_file(const std::vector<StoredForTest>& tensors, std::size_t odd) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  Bytes data;
  for (const StoredForTest& tensor : tensors) {
    header += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":" + text_of(tensor.shape) +
              ",\"data_offsets\":" + text_of({data.size(), data.size() + tensor.data.size()}) + "}";
    data.insert(data.end(), tensor.data.begin(), tensor.data.end());
  }
  header += "}";
  while (header.size() % 8 != odd) header += " ";
  return safetensors_file(header, data);
}

TemporaryFolder::TemporaryFolder(const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "troupe-test-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  parent_ = pattern;
  path_ = parent_ + "/" + name;
  std::filesystem::create_directory(path_);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(parent_); }

void TemporaryFolder::write(const std::string& name, std::string_view text) const {
  std::ofstream(path_ + "/" + name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

void TemporaryFolder::write(const std::string& name, const Bytes& bytes) const {
  write(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void TemporaryFolder::remove(const std::string& name) const { std::filesystem::remove(path_ + "/" + name); }

void TemporaryFolder::write_weights(const std::vector<StoredForTest>& tensors, std::size_t shards,
                                    std::size_t odd) const {
  if (shards == 1) return write("model.safetensors", safetensors_file(tensors, odd));
  std::string map;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    std::string file = "model-0000" + std::to_string(shard + 1) + "-of-0000" + std::to_string(shards) + ".safetensors";
    std::vector<StoredForTest> part;
    for (std::size_t i = shard; i < tensors.size(); i += shards) {
      part.push_back(tensors[i]);
      map += (map.empty() ? "\"" : ",\"") + tensors[i].name + "\":\"" + file + "\"";
    }
    write(file, safetensors_file(part, odd));
  }
  write("model.safetensors.index.json", R"({"metadata":{"total_size":1},"weight_map":{)" + map + "}}");
}

std::vector<StoredForTest> as_stored(const TensorTable& tensors, const FolderForm& form) {
  std::vector<StoredForTest> stored;
  for (const auto& [name, tensor] : tensors.all()) {
    StoredForTest out;
    out.name = hugging_face_name(name, form);
    if (out.name.empty()) continue;
    out.dtype = tensor.type == DType::kF32 ? "F32" : tensor.type == DType::kF16 ? "F16" : "BF16";
    for (std::uint32_t i = tensor.dimensions; i > 0; --i) out.shape.push_back(tensor.shape[i - 1]);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(tensor.bytes.data());
    out.data.assign(bytes, bytes + tensor.bytes.size());
    bool is_q_or_k = name.find(".attn_q.") != std::string::npos || name.find(".attn_k.") != std::string::npos;
    if (form.architecture == "llama" && is_q_or_k) out.data = unpermuted(out.data, out.shape[0], form.head_dim);
    if (form.architecture == "gemma3" && name.find("norm") != std::string::npos) subtract_one(out.data);
    stored.push_back(std::move(out));
  }
  return stored;
}

}  // namespace troupe::test
