#pragma once
// Bodies of requests with one part of interest.
#include <string>

#include "net/schema/api_request.hpp"
#include "test/net/scripted_service.hpp"

namespace troupe::test {

inline const ModelCatalog& catalog() {
  static const ModelCatalog tiny = tiny_catalog();  // 64 tokens of context, 256 in the vocabulary
  return tiny;
}

inline Result<ApiRequest> parse(ApiKind kind, const std::string& body) {
  RequestOrigin origin;
  origin.catalog = &catalog();
  origin.external_id = "req-1";
  origin.tenant = "tenant";
  return parse_request(kind, body, origin);
}
inline Result<ApiRequest> completion(const std::string& fields) {
  return parse(ApiKind::kCompletion, "{\"prompt\":\"hi\"" + (fields.empty() ? "" : "," + fields) + "}");
}
inline Result<ApiRequest> chat(const std::string& fields) {
  return parse(ApiKind::kChat,
               R"({"messages":[{"role":"user","content":"hi"}])" + (fields.empty() ? "" : "," + fields) + "}");
}
inline std::string repeated(const std::string& piece, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += (i == 0 ? "" : ",") + piece;
  return all;
}

}  // namespace troupe::test
