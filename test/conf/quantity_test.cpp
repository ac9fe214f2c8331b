#include "conf/quantity.hpp"

#include <catch2/catch.hpp>

using namespace troupe;

TEST_CASE("R046 quantities are read as Kubernetes writes them") {
  REQUIRE(parse_quantity("8Gi").value() == 8589934592ULL);
  REQUIRE(parse_quantity("512M").value() == 512000000ULL);
  REQUIRE(parse_quantity("1.5Ki").value() == 1536);
  REQUIRE(parse_quantity("1048576").value() == 1048576);
  REQUIRE(parse_quantity("0").value() == 0);
  REQUIRE(parse_quantity("18446744073709551615").value() == 18446744073709551615ULL);
}

TEST_CASE("R046 quantities that do not fit or make no sense are refused by name") {
  for (const char* text : {"", "Gi", "-1", "8 Gi", "8gi", "1.5", "1.", "1.Gi", "1e3", "18446744073709551616",
                           "16777216Ti", "1.1234567Gi", "99999999999999999999Ki", "0x10", "nan"}) {
    INFO(text);
    auto result = parse_quantity(text);
    REQUIRE_FALSE(result.ok());
    REQUIRE(result.error().code == ErrorCode::kConfiguration);
    REQUIRE(result.error().message.find(text) != std::string::npos);
  }
}

TEST_CASE("R046 quantities survive being written and read again") {
  for (std::uint64_t bytes :
       {0ULL, 1ULL, 1023ULL, 1024ULL, 1536ULL, 64ULL << 20, 8ULL << 30, 3ULL << 40, 1000000007ULL}) {
    REQUIRE(parse_quantity(format_quantity(bytes)).value() == bytes);
  }
  REQUIRE(format_quantity(64ULL << 20) == "64Mi");
}
