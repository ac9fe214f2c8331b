#pragma once
// The golden models as Hugging Face folders: their weights, and a config.json for each, in both spellings.
#include <memory>
#include <string>
#include <vector>

#include "test/model/folder_writer.hpp"

namespace troupe::test {

struct GoldenFolder {
  const char* name;          // of golden/NAME.gguf
  const char* architecture;  // GGUF's
  std::uint32_t head_dim;
  std::string config;        // as transformers 4 writes it
  std::string newer_config;  // as transformers 5 does
};

const std::vector<GoldenFolder>& golden_folders();
const GoldenFolder& golden_folder(const std::string& name);

}  // namespace troupe::test
