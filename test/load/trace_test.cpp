#include <catch2/catch.hpp>
#include <sstream>

#include "load/trace.hpp"
#include "load/trace_line.hpp"

using namespace troupe;

namespace {
Result<Trace> read(const std::string& text) {
  std::istringstream in(text);
  return read_trace(in, "t.csv");
}
}  // namespace

TEST_CASE("a trace is read from CSV, in any order of columns") {
  Trace trace = *read(
      "tenant,output_tokens, prompt_tokens ,arrival_ms,note\r\n"
      "a,10,100,0,x\r\n"
      "\n"
      "\"b,\"\"c\"\"\",1,2,1500.5,\"y, z\"\n"
      "a,0,3,1500.5,");
  REQUIRE(trace.rows.size() == 3);
  CHECK(trace.rows[0].arrival_s == 0.0);
  CHECK(trace.rows[0].prompt_tokens == 100);
  CHECK(trace.rows[0].output_tokens == 10);
  CHECK(trace.rows[1].arrival_s == 1.5005);
  CHECK(trace.tenants == std::vector<std::string>{"", "a", "b,\"c\""});
  CHECK(trace.rows[1].tenant == 2);
  CHECK(trace.rows[2].output_tokens == 1);  // nobody asks for nothing
}

TEST_CASE("a trace is read from JSON lines, Mooncake's too") {
  Trace trace =
      *read(R"({"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, [1, {"a": "]"}], {}]})"
            "\n"
            R"({"arrival_ms":27.5e1,"prompt_tokens":7,"output_tokens":8,"tenant":"a\"b","note":null,"x":true})");
  REQUIRE(trace.rows.size() == 2);
  CHECK(trace.rows[0].prompt_tokens == 6758);
  CHECK(trace.rows[1].arrival_s == 0.275);
  CHECK(trace.tenants[1] == "a\"b");
}

TEST_CASE("a hostile trace is refused with the line that is wrong") {
  const std::string head = "arrival_ms,prompt_tokens,output_tokens\n";
  struct Case {
    std::string text, line;
  };
  const Case cases[] = {
      {"", "no requests"},
      {"\n\n", "no requests"},
      {head, "no requests"},
      {"arrival_ms,prompt_tokens\n1,2\n", "line 1: the header must name output_tokens"},
      {"arrival_ms,timestamp,prompt_tokens,output_tokens\n", "line 1: the header must name arrival_ms"},
      {head + "1,2\n", "line 2: 2 cells; the header has 3"},
      {head + "1,2,3\n0,2,3\n", "line 3: arrival_ms falls"},
      {head + "nan,2,3\n", "line 2: arrival_ms"},
      {head + "-1,2,3\n", "line 2: arrival_ms"},
      {head + "1e300,2,3\n", "line 2: arrival_ms"},
      {head + "1,2,1048577\n", "line 2: prompt_tokens and output_tokens"},
      {head + "1,,3\n", "line 2: prompt_tokens and output_tokens"},
      {head + "1,\"2,3\n", "line 2: a quote is not closed"},
      {head + "1,\"2\"x,3\n", "line 2: text after a closing quote"},
      {head + "1,2," + std::string(200, '3') + "\n", "line 2: a cell of more than 128 bytes"},
      {head + std::string(70'000, '1') + "\n", "longer than 65536 bytes"},
      {head + std::string(100, ',') + "\n", "line 2: more than 64 cells"},
      {"{\"arrival_ms\": 1, \"prompt_tokens\": 2}\n", "line 1: prompt_tokens and output_tokens"},
      {"{\"arrival_ms\": 1,}\n", "line 1: not a flat JSON object"},
      {"{\"arrival_ms\": 1} x\n", "line 1: text after the object"},
      {"{\"a\": " + std::string(1'000, '[') + "\n", "line 1: not a flat JSON object"},
      {"{\"a\": \"\\u0041\"}\n", "line 1: not a flat JSON object"},
      {"{\"a\": \"x\n", "line 1: not a flat JSON object"},
      {"{\"a\n", "line 1: not a flat JSON object"},
      {"{}\n", "line 1: arrival_ms"},
  };
  for (const Case& one : cases) {
    auto trace = read(one.text);
    INFO(one.text.substr(0, 100));
    REQUIRE(!trace.ok());
    CHECK(trace.error().code == ErrorCode::kConfiguration);
    CHECK_THAT(trace.error().message, Catch::Contains(one.line));
  }
  std::string many = head.substr(0, head.size() - 1) + ",tenant\n";
  for (int i = 0; i < 70; ++i) many += "1,2,3,t" + std::to_string(i) + "\n";
  CHECK_THAT(read(many).error().message, Catch::Contains("more than 64 tenants"));
}
