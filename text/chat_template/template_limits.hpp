#pragma once
// What a chat template may cost. Templates come with model files and see users' text: both may be hostile.
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace troupe {

// Compiling.
inline constexpr std::size_t kTemplateSourceBytesMax = 1U << 20;
inline constexpr std::size_t kTemplateNodesMax = 200'000;
inline constexpr std::uint32_t kTemplateNestingMax = 120;  // of statements and expressions; parsing recurses this deep

// Rendering: what recurses.
inline constexpr std::uint32_t kEvaluationDepthMax = 600;  // nested evaluations, macro calls included: stays below 3
                                                           // MiB of stack in sanitized builds (measured with ulimit -s)
inline constexpr std::uint32_t kValueDepthMax = 100;       // lists within dicts within lists ...
inline constexpr std::uint32_t kTemplateJsonDepthMax = 64;  // of tools, their arguments and chat_template_kwargs
inline constexpr std::int64_t kRangeMax = 100'000;          // items of range()
inline constexpr std::size_t kPrintfWidthMax = 1000;        // '%1000d'
inline constexpr std::int64_t kIndentMax = 64;              // tojson(indent=), indent(width=)

// Rendering: what is counted.
struct TemplateLimits {
  std::uint64_t steps = 5'000'000;       // nodes evaluated, items visited, 256-byte stretches of text searched
  std::size_t output_bytes = 16U << 20;  // of the rendered text
  std::size_t value_bytes = 64U << 20;   // of all texts and lists made on the way, together
  std::chrono::nanoseconds time = std::chrono::milliseconds(250);
};

}  // namespace troupe
