#pragma once
// The same observations under the names that dashboards of other servers read: vLLM's (vllm:*), TGI's (tgi_*) and
// llama.cpp's (llamacpp:*). Nothing is counted twice: every value is worked out from our own families when somebody
// asks. What we do not observe (speculation, LoRA, TGI's concatenations in seconds) has no series rather than a 0.
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/metrics.hpp"

namespace troupe {

inline constexpr std::array<const char*, 3> kAliasVocabularies = {"vllm", "tgi", "llamacpp"};
bool is_alias_vocabulary(std::string_view name);

// A family under another name. Its help says what it is made of.
class MetricAlias final : public MetricFamily {
 public:
  using Compute = std::function<std::vector<MetricSample>()>;
  MetricAlias(MetricTable& table, MetricType type, const char* name, const char* from,
              std::vector<std::string> label_names, std::span<const double> bounds, Compute compute)
      : MetricFamily(table, type, name, from),
        labels_(std::move(label_names)),
        bounds_(bounds),
        compute_(std::move(compute)) {}
  std::vector<MetricSample> samples() const override { return compute_(); }
  std::vector<std::string> label_names() const override { return labels_; }
  std::span<const double> bounds() const override { return bounds_; }

 private:
  std::vector<std::string> labels_;
  std::span<const double> bounds_;
  Compute compute_;
};

class MetricAliases {
 public:
  // `metrics` outlives the aliases. Names that are no vocabulary are left out: the settings have refused them.
  MetricAliases(const Metrics& metrics, const std::vector<std::string>& vocabularies);

  const MetricTable& families() const { return table_; }

 private:
  struct Builder;
  void add_vllm(const Metrics& m);
  void add_tgi(const Metrics& m);
  void add_llamacpp(const Metrics& m);

  MetricTable table_;
  std::vector<std::unique_ptr<MetricAlias>> aliases_;
};

}  // namespace troupe
