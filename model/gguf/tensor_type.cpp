#include "model/gguf/tensor_type.hpp"

#include <string>

namespace troupe {
namespace {

// Types of the format that tensor/ has no row for.
const char* other_type_name(std::uint32_t number) {
  switch (number) {
    case 9:
      return "Q8_1";
    case 15:
      return "Q8_K";
    case 16:
      return "IQ2_XXS";
    case 17:
      return "IQ2_XS";
    case 18:
      return "IQ3_XXS";
    case 19:
      return "IQ1_S";
    case 21:
      return "IQ3_S";
    case 22:
      return "IQ2_S";
    case 24:
      return "I8";
    case 25:
      return "I16";
    case 26:
      return "I32";
    case 27:
      return "I64";
    case 28:
      return "F64";
    case 29:
      return "IQ1_M";
    case 34:
      return "TQ1_0";
    case 35:
      return "TQ2_0";
    case 40:
      return "NVFP4";
    case 41:
      return "Q1_0";
    case 42:
      return "Q2_0";
    default:
      return nullptr;
  }
}

bool is_removed(std::uint32_t number) {
  return number == 4 || number == 5 || (number >= 31 && number <= 33) || (number >= 36 && number <= 38);
}

std::string supported_types() {
  std::string names;
  for (const BlockFormat& format : block_formats()) names += (names.empty() ? "" : ", ") + std::string(format.name);
  return names;
}

}  // namespace

Result<DType> tensor_type(std::uint32_t number) {
  if (const BlockFormat* format = find_format(number)) return format->type;
  std::string reason = "tensor type " + std::to_string(number);
  if (const char* name = other_type_name(number))
    reason = std::string("tensor type ") + name + " is not supported";
  else if (is_removed(number))
    reason += " was removed from the format";
  else
    reason += " is unknown";
  return Error{ErrorCode::kModelFile, reason + " (supported: " + supported_types() + ")", "", 0};
}

}  // namespace troupe
