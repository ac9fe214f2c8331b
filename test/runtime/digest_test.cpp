// Expected values: NIST, "SHA-256 Test Data" (FIPS 180-4 examples) and the CAVP short-message set SHA256ShortMsg.rsp.
#include "runtime/digest.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace troupe;

namespace {
std::string sha256(std::string_view text) { return to_hex(Sha256().add(text).finish()); }
}  // namespace

TEST_CASE("SHA-256 agrees with NIST's vectors") {
  REQUIRE(sha256("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  REQUIRE(sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  REQUIRE(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  REQUIRE(sha256("\xbd") == "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
  REQUIRE(sha256("\xc9\x8c\x8e\x55") == "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504");
  REQUIRE(sha256(std::string(55, '\0')) == "02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7");
  REQUIRE(sha256(std::string(56, '\0')) == "d4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb");
  REQUIRE(sha256(std::string(57, '\0')) == "65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785");
  REQUIRE(sha256(std::string(64, '\0')) == "f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
  REQUIRE(sha256(std::string(1000, '\0')) == "541b3e9daa09b20bf85fa273e5cbd3e80185aa4ec298e765db87742b70138a53");
  REQUIRE(sha256(std::string(1000, 'A')) == "c2e686823489ced2017f6059b8b239318b6364f6dcd835d0a519105a1eadd6e4");
  REQUIRE(sha256(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("SHA-256 does not depend on how the bytes are cut") {
  std::string text;
  for (int i = 0; i < 200; ++i) text += static_cast<char>(i);
  std::string whole = sha256(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    REQUIRE(to_hex(Sha256().add(text.substr(0, cut)).add(text.substr(cut)).finish()) == whole);
  }
}
