#pragma once
// A recorded workload that is played again: when each request came, how long its prompt was and its answer.
//   CSV with a header row, or one JSON object a line (decided by the first character that is not space)
//   arrival_ms     or timestamp       milliseconds from the start; never falling
//   prompt_tokens  or input_length
//   output_tokens  or output_length
//   tenant                            optional
// Other columns are passed over, so the Mooncake traces can be played as they are.
#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

struct TraceRow {
  double arrival_s = 0.0;
  std::uint32_t prompt_tokens = 1;
  std::uint32_t output_tokens = 1;
  std::uint32_t tenant = 0;  // index into Trace::tenants
};

struct Trace {
  static constexpr std::size_t kRowsMax = 1'000'000;  // 24 MB
  static constexpr std::size_t kTenantsMax = 64;
  static constexpr double kArrivalMsMax = 30.0 * 24 * 3600 * 1000;  // a month

  std::vector<TraceRow> rows;        // never empty
  std::vector<std::string> tenants;  // [0] is "": rows without one
};

// Errors (kConfiguration) name the line. `name` is the file's, for messages.
Result<Trace> read_trace(std::istream& in, const std::string& name);

}  // namespace troupe
