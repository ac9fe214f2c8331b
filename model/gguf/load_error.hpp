#pragma once
// Errors of a model file read "cannot load model 'X': <field>: <reason>". Code that reads a part of the file makes
// "<field>: <reason>"; whoever knows the path puts the rest in front.
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

Error load_error(std::string_view field, std::string_view reason);
Error cannot_load(std::string_view path, const Error& error);

// Text from the file for a message: at most 80 bytes, everything but printable ASCII shown as '?'.
std::string printable(std::string_view text);

}  // namespace troupe
