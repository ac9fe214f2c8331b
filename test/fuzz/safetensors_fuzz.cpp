// A Hugging Face folder: config.json, a zero byte, then a weight file. The first part is also read as an index of
// shards and as generation_config.json.
#include <algorithm>
#include <vector>

#include "model/safetensors/folder_tokenizer.hpp"
#include "model/safetensors/model_config.hpp"
#include "model/safetensors/tensor_names.hpp"
#include "model/safetensors/weight_files.hpp"
#include "runtime/check.hpp"

namespace {

using namespace troupe;

void check_clear(const Error& error) {
  TROUPE_CHECK(error.code == ErrorCode::kModelFile && error.message.size() > 8 && error.message.size() < 600,
               "a folder is read or refused with a clear error");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::string_view text = input.substr(0, input.find('\0'));
  const std::vector<std::uint8_t> file(bytes + std::min(size, text.size() + 1), bytes + size);
  auto config = read_model_config(text);
  if (!config) check_clear(config.error());
  if (config) TROUPE_CHECK(config->keys.parse().ok(), "the keys of a config can be read");
  auto contents = parse_safetensors(file, "model.safetensors");
  if (!contents) check_clear(contents.error());
  if (config && contents)
    for (const auto& [name, tensor] : contents->tensors) gguf_name(name, *config);
  if (auto index = parse_shard_index(text); !index) check_clear(index.error());
  if (auto ids = read_end_ids(text); !ids) check_clear(ids.error());
  return 0;
}
