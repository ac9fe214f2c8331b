#pragma once
// From what a model file says about text to a codec that speaks it.
#include <memory>

#include "runtime/doors/text_codec.hpp"
#include "runtime/result.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

// Checks all of the spec; kModelFile names what is wrong. The codec holds no reference to anything outside itself.
Result<std::unique_ptr<TextCodec>> make_text_codec(TokenizerSpec spec);

}  // namespace troupe
