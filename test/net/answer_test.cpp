// An answer as bytes.
#include "net/http/answer.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace troupe;

TEST_CASE("answers are serialized with their length, and closed when they say so") {
  Answer answer;
  answer.body = "{}";
  std::string bytes = serialize(answer, 11, true);
  CHECK(bytes.find("HTTP/1.1 200 OK\r\nDate: ") == 0);
  CHECK(bytes.find("Content-Length: 2\r\n") != std::string::npos);
  CHECK(bytes.find("Connection") == std::string::npos);
  CHECK(bytes.substr(bytes.size() - 6) == "\r\n\r\n{}");
  CHECK(serialize(answer, 11, false).find("Connection: close\r\n") != std::string::npos);
  CHECK(serialize(answer, 10, true).find("Connection: keep-alive\r\n") != std::string::npos);
  answer.kind = Answer::Body::kOmitted;
  CHECK(serialize(answer, 11, true).find("{}") == std::string::npos);
  std::string chunk;
  append_chunk(chunk, "");
  CHECK(chunk.empty());
  append_chunk(chunk, std::string(17, 'x'));
  CHECK(chunk == "11\r\n" + std::string(17, 'x') + "\r\n");
}
