#pragma once
// Where tests find models and golden files, and how they read a model file whole.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpu/host/kernels.hpp"
#include "model/architectures/architecture.hpp"
#include "model/host_engine/host_step_runner.hpp"

namespace troupe::test {

std::optional<std::string> shared_file(const std::string& name);  // below shared/, when it is there
std::optional<std::string> real_model();                          // SmolLM2-135M-Instruct Q4_1
std::optional<std::string> real_gemma();                          // Gemma-3-270M Q4_K_M
std::string data_file(const std::string& name);                   // test/model/data

// A parsed file and its description, which points into it.
struct DescribedModel {
  GgufFile file;
  ModelDescription description;
};
std::unique_ptr<DescribedModel> describe_file(const std::string& path);  // fails the test when it cannot

std::shared_ptr<const HostModel> load_weights(const std::string& path, std::uint32_t threads = 1,
                                              const HostFormats& formats = {});

// Lines of numbers "name: 1 2 3" of one file, by name.
std::vector<double> numbers(const std::string& file, const std::string& name);
std::vector<TokenId> ids(const std::string& file, const std::string& name);
std::vector<TokenId> ids_if_any(const std::string& file, const std::string& name);  // may be empty

}  // namespace troupe::test
