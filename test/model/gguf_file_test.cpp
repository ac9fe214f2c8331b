// Handcrafted GGUF files: each kind of damage, and what the reader must say about it.
#include "model/gguf/gguf_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <limits>

#include "test/model/gguf_writer.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint64_t kHuge = 0xFFFFFFFFFFFFFFFF;

GgufWriter small() {
  GgufWriter file;
  file.text("general.architecture", "none").u32("a.count", 7).f32("a.real", 0.5F).boolean("a.flag", true);
  file.strings("a.strings", {"x", "", "yz"}).integers("a.integers", {1, -2});
  return file.tensor("t0", {4, 2}, 0, Bytes(32, 1)).tensor("t1", {32}, 2, Bytes(18, 0));
}

std::string outcome(const Bytes& bytes) {
  auto contents = parse_gguf(bytes);
  return contents ? "" : contents.error().message;
}

struct Kind {
  const char* name;
  std::function<Bytes()> make;
  const char* reason;  // a part of the message; empty: the file is fine
};

Bytes with_value(std::uint32_t type, const ByteWriter& value) { return small().pair("key", type, value).bytes(); }
Bytes with_tensor(const std::vector<std::uint64_t>& shape, std::uint32_t type, std::size_t bytes) {
  return small().tensor("bad", shape, type, Bytes(bytes)).bytes();
}
ByteWriter array(std::uint32_t element, std::uint64_t count) { return ByteWriter().u32(element).u64(count); }
Bytes changed(GgufWriter file, const std::function<void(GgufWriter&)>& change) {
  change(file);
  return file.bytes();
}

const Kind kKinds[] = {
    {"version 3", [] { return small().bytes(); }, ""},
    {"version 2", [] { return changed(small(), [](auto& f) { f.version = 2; }); }, ""},
    {"version 0", [] { return changed(small(), [](auto& f) { f.version = 0; }); }, "version: is 0"},
    {"version 1", [] { return changed(small(), [](auto& f) { f.version = 1; }); }, "version: is 1"},
    {"version 4", [] { return changed(small(), [](auto& f) { f.version = 4; }); }, "version: is 4"},
    {"big-endian version", [] { return changed(small(), [](auto& f) { f.version = 3U << 24; }); }, "big-endian"},
    {"no tensors and no keys", [] { return GgufWriter().bytes(); }, ""},
    {"only the magic",
     [] {
       return Bytes{'G', 'G', 'U', 'F'};
     },
     "version: the file ends"},
    {"other magic", [] { return Bytes{'G', 'G', 'M', 'L', 1, 2, 3, 4}; }, "not a GGUF file"},
    {"Git LFS pointer",
     [] { return ByteWriter().raw("version https://git-lfs.github.com/spec/v1\noid sha256:0").bytes(); },
     "Git LFS pointer"},
    {"HTML page", [] { return ByteWriter().raw("<!DOCTYPE html><html><body>404").bytes(); }, "HTML page"},
    {"safetensors", [] { return ByteWriter().u64(30).raw("{\"a\":{}}").bytes(); }, "safetensors"},
    {"zip archive", [] { return ByteWriter().raw("PK\3\4 and more").bytes(); }, "zip"},
    {"2^64 - 1 keys", [] { return changed(small(), [](auto& f) { f.key_count_plus = kHuge - 6; }); }, "n_kv"},
    {"2^63 keys", [] { return changed(small(), [](auto& f) { f.key_count_plus = 1ULL << 63; }); }, "n_kv"},
    {"2^64 - 1 tensors", [] { return changed(small(), [](auto& f) { f.tensor_count_plus = kHuge - 2; }); },
     "n_tensors"},
    {"one tensor too many", [] { return changed(small(), [](auto& f) { f.tensor_count_plus = 1; }); }, ":"},
    {"one key too many", [] { return changed(small(), [](auto& f) { f.key_count_plus = 1; }); }, ":"},
    {"string of 2^64 - 1 bytes", [] { return with_value(8, ByteWriter().u64(kHuge).raw("x")); }, "key: the string"},
    {"string one byte too long", [] { return GgufWriter().pair("key", 8, ByteWriter().u64(100).raw("x")).bytes(); },
     "key: the string"},
    {"empty key", [] { return small().u32("", 1).bytes(); }, "name is empty"},
    {"key of 1025 bytes", [] { return small().u32(std::string(1025, 'k'), 1).bytes(); }, "too long"},
    {"value type 13", [] { return with_value(13, ByteWriter().u64(0)); }, "value type 13 is unknown"},
    {"bool of value 2", [] { return with_value(7, ByteWriter().number<std::uint8_t>(2)); }, "bool of value 2"},
    {"not a number", [] { return with_value(6, ByteWriter().number(std::numeric_limits<float>::quiet_NaN())); },
     "not a finite number"},
    {"infinite double", [] { return with_value(12, ByteWriter().number(std::numeric_limits<double>::infinity())); },
     "not a finite number"},
    {"array of 2^62 u32", [] { return with_value(9, array(4, 1ULL << 62)); }, "says it has"},
    {"array of 2^64 - 1 strings", [] { return with_value(9, array(8, kHuge)); }, "says it has"},
    {"array of strings cut off", [] { return with_value(9, array(8, 2).u64(kHuge)); }, "key: a string of this array"},
    {"array of element type 77 and length 0", [] { return with_value(9, array(77, 0)); }, "element type 77 is unknown"},
    {"array of arrays", [] { return with_value(9, array(9, 1).append(array(4, 0))); }, "arrays of arrays"},
    {"empty array", [] { return with_value(9, array(4, 0)); }, ""},
    {"the same key twice", [] { return small().u32("a.count", 7).bytes(); }, "a.count: this key is there twice"},
    {"alignment 64", [] { return changed(small().u32("general.alignment", 64), [](auto& f) { f.alignment = 64; }); },
     ""},
    {"alignment 0", [] { return small().u32("general.alignment", 0).bytes(); }, "general.alignment: is 0"},
    {"alignment 48", [] { return small().u32("general.alignment", 48).bytes(); }, "power of two"},
    {"alignment 2^31", [] { return small().u32("general.alignment", 1U << 31).bytes(); }, "power of two"},
    {"alignment as u64", [] { return small().pair("general.alignment", 10, ByteWriter().u64(32)).bytes(); }, "not u32"},
    {"the same tensor twice",
     [] {
       return small().tensor("t0", {4, 2}, 0, Bytes(32)).bytes();
     },
     "t0: this tensor is there twice"},
    {"tensor without a name", [] { return small().tensor("", {4}, 0, Bytes(16)).bytes(); }, "name is empty"},
    {"tensor name of 64 bytes", [] { return small().tensor(std::string(64, 't'), {4}, 0, Bytes(16)).bytes(); },
     "too long"},
    {"no dimensions", [] { return with_tensor({}, 0, 4); }, "0 dimensions"},
    {"five dimensions",
     [] {
       return with_tensor({1, 1, 1, 1, 1}, 0, 4);
     },
     "5 dimensions"},
    {"dimension 0",
     [] {
       return with_tensor({4, 0}, 0, 0);
     },
     "dimension 1 is 0"},
    {"dimension -1", [] { return with_tensor({kHuge}, 0, 16); }, "dimension 0 is 18446744073709551615"},
    {"dimensions whose product is 2^64",
     [] {
       return with_tensor({1ULL << 32, 1ULL << 32}, 0, 0);
     },
     "2^44 elements"},
    {"an exabyte",
     [] {
       return with_tensor({1ULL << 40, 1ULL << 4}, 0, 16);
     },
     "needs"},
    {"rows that are no whole blocks",
     [] {
       return with_tensor({33, 2}, 2, 64);
     },
     "not whole Q4_0 blocks"},
    {"removed type 4", [] { return with_tensor({32}, 4, 20); }, "removed from the format"},
    {"unknown type 999", [] { return with_tensor({32}, 999, 20); }, "999 is unknown"},
    {"type without kernels", [] { return with_tensor({256}, 16, 66); }, "IQ2_XXS is not supported"},
    {"data one byte short",
     [] {
       Bytes b = GgufWriter().tensor("t", {8}, 0, Bytes(32)).bytes();
       b.pop_back();
       return b;
     },
     "cut off"},
    {"no data at all",
     [] {
       Bytes b = GgufWriter().tensor("t", {8}, 0, Bytes(32)).bytes();
       b.resize(b.size() - 40);
       return b;
     },
     ":"},
    {"offset that is not aligned",
     [] {
       return changed(small().tensor("t2", {4}, 0, Bytes(16)).tensor("t3", {4}, 0, Bytes(16)),
                      [](auto& f) { f.alignment = 16; });
     },
     "multiple of the alignment"},
};

}  // namespace

TEST_CASE("gguf reader accepts what is right and names what is wrong") {
  for (const Kind& kind : kKinds) {
    INFO(kind.name);
    Bytes bytes = kind.make();
    std::string message = outcome(bytes);
    INFO(message);
    if (*kind.reason == 0)
      CHECK(message.empty());
    else
      CHECK_THAT(message, Catch::Contains(kind.reason));
  }
}

TEST_CASE("gguf reader refuses every file cut short in the header") {
  Bytes whole = small().bytes();
  std::size_t data_bytes = 64;  // two tensors, padded
  for (std::size_t size = 0; size < whole.size() - data_bytes; ++size) {
    INFO("cut after " << size << " bytes");
    CHECK_FALSE(parse_gguf(std::span(whole).first(size)).ok());
  }
}

TEST_CASE("gguf reader refuses tensors that overlap") {
  ByteWriter file;
  file.raw("GGUF").u32(3).u64(2).u64(0);
  for (const char* name : {"a", "b"}) file.string(name).u32(1).u64(16).u32(0).u64(name[0] == 'a' ? 0 : 32);
  file.bytes().resize(256);
  CHECK_THAT(outcome(file.bytes()), Catch::Contains("overlaps with a"));
}

TEST_CASE("gguf reader gives back what was written") {
  Bytes bytes = small().bytes();
  auto contents = parse_gguf(bytes);
  REQUIRE(contents.ok());
  const Metadata& metadata = contents->metadata;
  CHECK(*metadata.count("a.count", 0, 10) == 7);
  CHECK(*metadata.real("a.real") == 0.5);
  CHECK(**metadata.flag("a.flag") == true);
  CHECK(*metadata.text("general.architecture") == "none");
  CHECK(*metadata.strings("a.strings") == std::vector<std::string>{"x", "", "yz"});
  CHECK(*metadata.integers("a.integers") == std::vector<std::int32_t>{1, -2});
  const GgufTensor* tensor = contents->tensors.find("t0");
  REQUIRE(tensor != nullptr);
  CHECK(tensor->shape == std::array<std::uint64_t, 4>{4, 2, 1, 1});
  CHECK(tensor->bytes.size() == 32);
  CHECK(static_cast<int>(tensor->bytes[31]) == 1);
  CHECK(contents->tensors.find("t1")->bytes.size() == 18);
  CHECK(contents->header_bytes % 32 == 0);
}

TEST_CASE("metadata look-ups name the key, the value and the limit") {
  Bytes bytes = small().bytes();
  auto contents = parse_gguf(bytes);
  REQUIRE(contents.ok());
  const Metadata& metadata = contents->metadata;
  CHECK(metadata.count("a.count", 8, 9).error().message == "a.count: is 7; it must be 8 to 9");
  CHECK(metadata.count("nothing", 0, 1).error().message == "nothing: is missing");
  CHECK(*metadata.count("nothing", 0, 9, 3) == 3);
  CHECK(metadata.count("a.real", 0, 1).error().message == "a.real: is of type f32, not an integer");
  CHECK(metadata.text("a.count").error().message == "a.count: is of type u32, not a string");
  CHECK(metadata.strings("a.integers").error().message == "a.integers: is an array of i32, not of strings");
  CHECK(metadata.floats("a.integers").error().message == "a.integers: is an array of i32, not of f32");
  CHECK(metadata.integers("a.strings").error().code == ErrorCode::kModelFile);
  CHECK(metadata.strings("nothing")->empty());
}

TEST_CASE("gguf reader opens regular files only") {
  CHECK_THAT(GgufFile::open("/nowhere/model.gguf").error().message, Catch::Contains("No such file"));
  CHECK_THAT(GgufFile::open("/tmp").error().message, Catch::Contains("directory"));
  CHECK_THAT(GgufFile::open("/dev/zero").error().message, Catch::Contains("device"));
  TemporaryFile empty{Bytes{}};
  CHECK_THAT(GgufFile::open(empty.path()).error().message, Catch::Contains("empty"));
  std::string pipe = empty.path() + ".pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THAT(GgufFile::open(pipe).error().message, Catch::Contains("pipe"));

  TemporaryFile good{small().bytes()};
  auto file = GgufFile::open(good.path());
  REQUIRE(file.ok());
  CHECK(file->tensors().all().size() == 2);
  CHECK(file->modified_s() > 1'600'000'000);
}

namespace {

GgufWriter shard(std::uint32_t number, std::uint32_t count, const char* tensor) {
  return GgufWriter()
      .u32("split.no", number)
      .u32("split.count", count)
      .u32("split.tensors.count", 2)
      .tensor(tensor, {32}, 0, Bytes(128, static_cast<std::uint8_t>(number)));
}

}  // namespace

TEST_CASE("a model in several files is one model") {
  TemporaryFile first(shard(0, 2, "a").text("general.name", "split").bytes(), "m-00001-of-00002.gguf");
  std::string second = first.path().substr(0, first.path().size() - 20) + "-00002-of-00002.gguf";
  auto write = [](const std::string& path, const GgufWriter& writer) {
    Bytes bytes = GgufWriter(writer).bytes();
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  };
  auto outcome = [](const std::string& path) {
    auto file = GgufFile::open(path);
    return file ? std::string("ok") : file.error().message;
  };
  CHECK_THAT(outcome(first.path()), Catch::Contains("m-00002-of-00002.gguf: file: No such file"));
  write(second, shard(1, 2, "b"));
  auto file = GgufFile::open(first.path());
  REQUIRE(file.ok());
  CHECK(*file->metadata().text("general.name") == "split");
  REQUIRE(file->tensors().all().size() == 2);
  CHECK(file->tensors().find("a")->bytes[0] == std::byte{0});
  CHECK(file->tensors().find("b")->bytes[0] == std::byte{1});
  CHECK_THAT(outcome(second),
             Catch::Contains("this is file 2 of 2; give the first, ") && Catch::Contains("m-00001-of-00002.gguf"));
  write(second, shard(1, 2, "a"));
  CHECK_THAT(outcome(first.path()), Catch::Contains("a: this tensor is in two of the files"));
  write(second, shard(2, 2, "b"));
  CHECK_THAT(outcome(first.path()), Catch::Contains("split.no: is 2 of 2; this must be 1 of 2"));
  write(second, shard(1, 2, "b").tensor("c", {32}, 0, Bytes(128)));
  CHECK_THAT(outcome(first.path()), Catch::Contains("split.tensors.count: is 2; the files have 3 tensors"));
  TemporaryFile renamed(shard(0, 2, "a").bytes(), "renamed.gguf");
  CHECK_THAT(outcome(renamed.path()), Catch::Contains("the name must end in -00001-of-00002.gguf"));
  ::unlink(second.c_str());
}
