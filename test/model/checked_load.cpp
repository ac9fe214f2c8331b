#include "test/model/checked_load.hpp"

#include <memory>

#include "model/architectures/architecture.hpp"
#include "model/gguf/gguf_file.hpp"
#include "model/host_engine/host_model.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "model/tokenizer_metadata.hpp"
#include "text/text_codec.hpp"

namespace troupe::test {

Status checked_load(std::span<const std::uint8_t> file, bool header_only) {
  HostLimits limits;
  limits.context = 64;
  auto contents = parse_gguf(file);
  if (!contents) return contents.error();
  auto model = describe_model(contents->metadata, contents->tensors);
  if (!model) return model.error();
  auto plan = plan_memory(*model, limits, MemoryBudget{1ULL << 30, 0});
  if (!plan) return plan.error();
  if (contents->metadata.has("tokenizer.ggml.tokens")) {
    auto spec = read_tokenizer_spec(contents->metadata, model->hyper.vocab_size);
    if (!spec) return spec.error();
    auto codec = make_text_codec(std::move(*spec));
    if (!codec) return codec.error();
  }
  if (header_only) return {};
  ThreadPool pool(1, "load");
  auto weights = make_host_model(*model, contents->tensors, file.first(contents->header_bytes), plan->context,
                                 limits.formats, pool);
  return weights ? Status{} : Status(weights.error());
}

bool is_clear(const Status& status) {
  if (status) return true;
  const Error& error = status.error();
  return (error.code == ErrorCode::kModelFile || error.code == ErrorCode::kConfiguration) && error.message.size() > 8 &&
         error.message.size() < 500;
}

}  // namespace troupe::test
