#include "test/model/golden.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "test/source_dir.hpp"

namespace troupe::test {
namespace {

std::optional<std::string> existing(const std::string& path) {
  if (std::filesystem::exists(path)) return path;
  return {};
}

}  // namespace

std::optional<std::string> shared_file(const std::string& name) {
  const char* folder = std::getenv("TROUPE_SHARED_DIR");
  return existing((folder ? std::string(folder) : source_dir() + "/../shared") + "/" + name);
}

std::optional<std::string> real_model() {
  const char* path = std::getenv("TROUPE_TEST_MODEL");
  return existing(path ? std::string(path) : source_dir() + "/models/SmolLM2-135M-Instruct.Q4_1.gguf");
}

std::optional<std::string> real_gemma() {
  const char* path = std::getenv("TROUPE_TEST_GEMMA");
  return existing(path ? std::string(path) : source_dir() + "/models/gemma-3-270m.Q4_K_M.gguf");
}

std::string data_file(const std::string& name) { return source_dir() + "/test/model/data/" + name; }

std::unique_ptr<DescribedModel> describe_file(const std::string& path) {
  auto file = GgufFile::open(path);
  INFO(path << ": " << (file ? "" : file.error().message));
  REQUIRE(file.ok());
  auto description = describe_model(file->metadata(), file->tensors());
  INFO((description ? std::string() : description.error().message));
  REQUIRE(description.ok());
  return std::make_unique<DescribedModel>(DescribedModel{std::move(*file), std::move(*description)});
}

std::shared_ptr<const HostModel> load_weights(const std::string& path, std::uint32_t threads,
                                              const HostFormats& formats) {
  auto model = describe_file(path);
  ThreadPool pool(threads, "load");
  auto weights = make_host_model(model->description, model->file.tensors(), model->file.header(),
                                 model->description.hyper.context_length, formats, pool);
  INFO((weights ? std::string() : weights.error().message));
  REQUIRE(weights.ok());
  return *weights;
}

namespace {

std::vector<double> find_numbers(const std::string& file, const std::string& name) {
  std::ifstream in(file);
  std::vector<double> values;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(name + ":", 0) != 0) continue;
    std::istringstream words(line.substr(name.size() + 1));
    for (double value; words >> value;) values.push_back(value);
  }
  return values;
}

std::vector<TokenId> tokens_of(const std::vector<double>& values) {
  std::vector<TokenId> tokens;
  for (double value : values) tokens.push_back(static_cast<TokenId>(value));
  return tokens;
}

}  // namespace

std::vector<double> numbers(const std::string& file, const std::string& name) {
  std::vector<double> values = find_numbers(file, name);
  INFO(file << " has no line " << name);
  REQUIRE_FALSE(values.empty());
  return values;
}

std::vector<TokenId> ids(const std::string& file, const std::string& name) { return tokens_of(numbers(file, name)); }

std::vector<TokenId> ids_if_any(const std::string& file, const std::string& name) {
  return tokens_of(find_numbers(file, name));
}

}  // namespace troupe::test
