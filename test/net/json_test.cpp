// Reading JSON from outside and writing it: net/schema/json_parse, json_writer, utf8.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <limits>

#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"
#include "net/schema/utf8.hpp"

using namespace troupe;

namespace {
std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }
std::string written(std::string_view text) {
  std::string out;
  JsonWriter(out).value(text);
  return out;
}
}  // namespace

TEST_CASE("json: what is not exactly one strict JSON value is refused") {
  const std::string bad[] = {"",
                             " ",
                             "{",
                             "}",
                             "{\"a\":1",
                             "{\"a\":1}}",
                             "{\"a\":1} x",
                             "{\"a\":1}\n{}",
                             "{'a':1}",
                             "{a:1}",
                             "{\"a\":01}",
                             "{\"a\":+1}",
                             "{\"a\":.5}",
                             "{\"a\":1.}",
                             "{\"a\":NaN}",
                             "{\"a\":Infinity}",
                             "{\"a\":-Infinity}",
                             "{\"a\":nan}",
                             "{\"a\":1e999}",
                             "{\"a\":-1e999}",
                             "{\"a\":1e99999999999}",
                             "{\"a\":tru}",
                             "[1,]",
                             "{\"a\":1,}",
                             "/**/{}",
                             "{\"a\":\"\x01\"}",
                             "{\"a\":\"\n\"}",
                             "{\"a\":\"\\x41\"}",
                             "{\"a\":\"\\ud800\"}",
                             "{\"a\":\"\\udc00x\"}",
                             "{\"a\":\"\\ud800\\u0041\"}",
                             "\xEF\xBB\xBF{}",
                             "{\"a\":\"\xff\"}",
                             "{\"a\":\"\xc0\xaf\"}",
                             "{\"a\":\"\xed\xa0\x80\"}",
                             "{\"a\":\"\xf4\x90\x80\x80\"}",
                             "{\"a\":\"\xe2\x82\"}",
                             std::string("{}\0", 3),
                             nested(65),
                             nested(10'000),
                             "{\"ignored\":" + nested(100'000) + "}",
                             std::string(100'000, '['),
                             "{\"a\":" + std::string(5000, '{')};
  for (const std::string& text : bad) {
    CAPTURE(text.substr(0, 60));
    Result<boost::json::value> value = parse_json(text);
    REQUIRE_FALSE(value.ok());
    CHECK(value.error().code == ErrorCode::kInvalidRequest);
    CHECK(value.error().message.size() < 200);
  }
}

TEST_CASE("json: valid values are read, the last of equal keys counts") {
  for (const std::string& text :
       {std::string("{}"), std::string(" [1, 2.5e-3] \n"), nested(64), std::string("\"\\ud83d\\ude00\""),
        std::string("-0"), std::string("18446744073709551615"), std::string("1e-999")}) {
    CAPTURE(text);
    CHECK(parse_json(text).ok());
  }
  Result<boost::json::value> twice = parse_json("{\"a\":1,\"a\":2}");
  REQUIRE(twice.ok());
  CHECK(twice->at("a").as_int64() == 2);
  CHECK_FALSE(parse_json_object("[]").ok());
}

TEST_CASE("json: a number beyond double names its field") {
  Result<boost::json::value> value = parse_json("{\"x\":{\"y\":[1e400]},\"z\":1}");
  REQUIRE_FALSE(value.ok());
  CHECK(value.error().param == "x");
}

TEST_CASE("json writer escapes what must be escaped and repairs what is no UTF-8") {
  CHECK(written("plain") == "\"plain\"");
  CHECK(written("a\"b\\c\n\t\r\x01\x1f") == R"("a\"b\\c\n\t\r\u0001\u001f")");
  CHECK(written("é€😀") == "\"é€😀\"");
  CHECK(written("\xff") == "\"\xEF\xBF\xBD\"");
  CHECK(written("a\xe2\x82z") == "\"a\xEF\xBF\xBD\xEF\xBF\xBDz\"");
  CHECK(written("\xed\xa0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  CHECK(written(std::string_view("\0", 1)) == "\"\\u0000\"");
}

TEST_CASE("json writer sets commas and writes numbers that read back the same") {
  std::string out = "data: ";
  JsonWriter(out)
      .begin_object()
      .field("a", 1)
      .field("b", "x")
      .field("c", true)
      .key("d")
      .begin_array()
      .value(-1)
      .null()
      .value(0.1F)
      .begin_object()
      .end_object()
      .begin_array()
      .end_array()
      .end_array()
      .field("e", false)
      .end_object();
  CHECK(out == R"(data: {"a":1,"b":"x","c":true,"d":[-1,null,0.1,{},[]],"e":false})");
  std::string odd;
  JsonWriter(odd)
      .begin_array()
      .value(-std::numeric_limits<float>::infinity())
      .value(std::nan(""))
      .value(std::numeric_limits<std::uint64_t>::max())
      .value(std::numeric_limits<std::int64_t>::min())
      .end_array();
  CHECK(odd == "[-9999.0,-9999.0,18446744073709551615,-9223372036854775808]");
}

TEST_CASE("utf8: texts are counted and cut by characters") {
  CHECK(count_characters("aé€😀") == 4);
  CHECK(cut_utf8("aé€", 10) == "aé€");
  CHECK(cut_utf8("aé€", 5) == "aé");
  CHECK(cut_utf8("aé€", 2) == "a");
  CHECK(cut_utf8("é", 1).empty());
}
