// troupe quantize: a model file written anew with weights of another type.
#include <sys/stat.h>

#include <unistd.h>
#include <cmath>
#include <cstdio>

#include "cli/commands.hpp"
#include "model/quantize_model.hpp"
#include "runtime/cpu_count.hpp"
#include "tensor/quantize.hpp"

namespace troupe {
namespace {

Result<DType> type_named(const std::string& name) {
  std::string known;
  for (const BlockFormat& format : block_formats()) {
    if (quantizer_of(format.type) == nullptr) continue;
    if (name == format.name) return format.type;
    known += (known.empty() ? "" : ", ") + std::string(format.name);
  }
  return Error{ErrorCode::kConfiguration, "unknown type \"" + name + "\" (one of " + known + ")", "", 0};
}

}  // namespace

int quantize(const QuantizeArguments& arguments) {
  auto type = type_named(arguments.type);
  if (!type) return report(type.error());
  struct stat there {};
  if (::stat(arguments.to.c_str(), &there) == 0 && !arguments.force) {
    return report({ErrorCode::kConfiguration, arguments.to + " exists; --force writes over it", "", 0});
  }
  bool is_watched = ::isatty(STDERR_FILENO) != 0;
  int shown = -1;
  auto progress = [&](double fraction) {
    int percent = static_cast<int>(std::floor(100 * fraction));
    if (!is_watched || percent == shown) return;
    shown = percent;
    std::fprintf(stderr, "\rquantizing %3d %%%s", percent, percent >= 100 ? "\r                \r" : "");
    std::fflush(stderr);
  };
  auto done = quantize_model(arguments.from, arguments.to, *type, allowed_cores(), progress);
  if (!done) return report(done.error());
  std::string tensors;
  for (const auto& [name, count] : done->tensors) {
    tensors += (tensors.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  }
  std::printf("%s: %.1f MB of weights, before %.1f MB (%s)\n", arguments.to.c_str(), done->bytes_after * 1e-6,
              done->bytes_before * 1e-6, tensors.c_str());
  return kExitDone;
}

}  // namespace troupe
