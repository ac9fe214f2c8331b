#include "runtime/doors/result_store.hpp"

namespace troupe {

std::size_t StoredResult::bytes() const {
  std::size_t bytes = sizeof(StoredResult) + text.capacity() + tokens.capacity() * sizeof(StreamToken);
  for (const StreamToken& token : tokens) bytes += token.top.capacity() * sizeof(TopToken);
  return bytes;
}

}  // namespace troupe
