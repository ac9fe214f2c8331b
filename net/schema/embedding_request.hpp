#pragma once
// POST /v1/embeddings in OpenAI's shape, `pooling` beside it: one sequence an input, one vector a sequence.
#include <span>
#include <string>
#include <string_view>

#include "net/schema/api_request.hpp"
#include "runtime/doors/response_stream.hpp"

namespace troupe {

inline constexpr std::size_t kEmbeddingInputsMax = 2048;  // of one request, as at OpenAI
// Of one request that are computed at a time: the queue of the batcher is for many clients, not for one list.
inline constexpr std::size_t kEmbeddingsAtOnce = 32;

// The body as one Request an input; `choice` is its index.
Result<ApiRequest> parse_embedding_request(std::string_view body, const RequestOrigin& origin);

// {"object":"list","data":[{"object":"embedding","index","embedding"}],"model","usage"}: `chunks` has one whole answer
// an input. In base64 a vector is its floats' bytes, little-endian.
void append_embeddings(std::string& out, const ApiRequest& request, std::span<const ResponseStream::Chunk> chunks);

}  // namespace troupe
