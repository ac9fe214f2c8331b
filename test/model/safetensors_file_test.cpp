// The container itself: headers that lie, and the index of shards.
#include "model/safetensors/safetensors_file.hpp"

#include <catch2/catch.hpp>

#include "model/safetensors/weight_files.hpp"
#include "test/model/folder_writer.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::string outcome(const Bytes& bytes) {
  auto contents = parse_safetensors(bytes, "x.safetensors");
  if (contents) return "";
  CHECK(contents.error().code == ErrorCode::kModelFile);
  CHECK_THAT(contents.error().message, Catch::StartsWith("x.safetensors: "));
  return contents.error().message;
}

std::string outcome(std::string_view header, std::size_t data_bytes) {
  return outcome(safetensors_file(header, Bytes(data_bytes)));
}

std::string outcome_of_index(std::string_view map) {
  auto index = parse_shard_index(map);
  return index ? "" : index.error().message;
}

}  // namespace

TEST_CASE("a safetensors file gives back what was written") {
  Bytes bytes = safetensors_file({{"a", "BF16", {2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}},
                                  {"none", "F32", {0, 5}, {}},
                                  {"one", "F64", {}, Bytes(8, 9)}},
                                 5);
  auto contents = parse_safetensors(bytes, "x");
  REQUIRE(contents.ok());
  CHECK(contents->header_bytes % 8 == 5);
  CHECK(contents->tensors.size() == 3);
  const StoredTensor& a = contents->tensors.at("a");
  CHECK(a.type->name == std::string("BF16"));
  CHECK(*a.type->type == DType::kBF16);
  CHECK(a.shape == std::vector<std::uint64_t>{2, 3});
  REQUIRE(a.bytes.size() == 12);
  CHECK(static_cast<int>(a.bytes[11]) == 12);
  CHECK(contents->tensors.at("none").bytes.empty());
  CHECK(contents->tensors.at("one").type->type == nullptr);
  CHECK(contents->tensors.at("one").shape.empty());
}

TEST_CASE("a header of a safetensors file that lies is refused with the reason") {
  struct Case {
    const char* header;
    std::size_t data_bytes;
    const char* reason;
  };
  for (
      const Case& c : {
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, ""},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}}   )", 8, ""},
          Case{R"({"__metadata__":{"a":"b"}})", 0, ""},
          Case{R"({"__metadata__":{"a":1}})", 0, "__metadata__.a is a number, not a string"},
          Case{R"({"__metadata__":"a"})", 0, "__metadata__ is a string, not an object"},
          Case{R"( {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "does not begin with a brace"},
          Case{R"([])", 0, "does not begin with a brace"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})", 8, "is not valid JSON"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}{})", 8, "is not valid JSON"},
          Case{R"({"a":7})", 0, "a is a number, not an object"},
          Case{R"({"a":null})", 0, "a is not an object"},
          Case{R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "a.dtype is missing"},
          Case{R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}})", 8, "a.dtype is \"F4\""},
          Case{R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", 8, "a.dtype is a number, not a string"},
          Case{R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "a.shape is missing"},
          Case{R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8, "a.shape is a number, not an array"},
          Case{R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "a.shape is -2"},
          Case{R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,8]}})", 8, "a.shape is 1.5"},
          Case{R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8, "has 9 entries"},
          Case{R"({"a":{"dtype":"F32","shape":[1099511627777],"data_offsets":[0,8]}})", 8, "a.shape is 1099511627777"},
          Case{R"({"a":{"dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8]}})", 8, "2^44"},
          Case{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})", 8, "2^44"},
          Case{R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}})", 8, "a.shape is 1.8"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", 8, "data_offsets is 9; it must be 0 to 8"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8,
               "where the tensor's bytes begin and end"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", 8, "where the tensor's bytes begin and end"},
          Case{R"({"a":{"dtype":"F32","shape":[2]}})", 8, "where the tensor's bytes begin and end"},
          Case{R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
               "are 8 bytes; the shape and F32 need 12"},
          Case{R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}})", 8, "need 4"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, "4 bytes of no tensor before a"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 12, "4 bytes of no tensor at the end"},
          Case{
              R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
              12, "4 bytes of no tensor before b"},
          Case{
              R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
              12, "b overlaps with another tensor"},
          Case{
              R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
              8, "b overlaps with another tensor"},
          Case{
              R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
              8, "has a name twice"},
          Case{R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8, "has a name twice"},
          Case{R"({"a:\":\\":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, ""},  // colons within a name
          Case{R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "whose name is empty"},
      }) {
    std::string message = outcome(c.header, c.data_bytes);
    INFO(c.header << "\n" << message);
    CHECK((*c.reason == '\0' ? message.empty() : message.find(c.reason) != std::string::npos));
  }
}

TEST_CASE("a safetensors file that is cut off, or is something else, is refused") {
  Bytes whole = safetensors_file({{"a", "F32", {2, 3}, Bytes(24)}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_FALSE(outcome(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size))).empty());
  CHECK(outcome(whole).empty());
  CHECK_THAT(outcome(Bytes(100, 0xFF)), Catch::Contains("says its header has 18446744073709551615 bytes"));
  CHECK_THAT(outcome(ByteWriter().u64(100'000'001).raw(std::string(100, '{')).bytes()),
             Catch::Contains("at most 100 "));
  std::string lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n";
  CHECK_THAT(outcome(Bytes(lfs.begin(), lfs.end())), Catch::Contains("Git LFS pointer"));
  std::string deep = "{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}";
  CHECK_THAT(outcome(deep, 0), Catch::Contains("is not valid JSON"));
  CHECK_THAT(outcome("{\"" + std::string(513, 'n') + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0),
             Catch::Contains("longer than 512 bytes"));
}

TEST_CASE("an index of shards names plain files of its folder") {
  CHECK(outcome_of_index(R"({"weight_map":{"a":"model-1.safetensors","b":"model-1.safetensors"}})").empty());
  CHECK(parse_shard_index(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors","c":"2.safetensors"}})")->files ==
        std::vector<std::string>{"1.safetensors", "2.safetensors"});
  for (const char* name : {"../model.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x..safetensors", "a.bin",
                           "", ".safetensors", "a\\u0000.safetensors"}) {
    INFO(name);
    CHECK_THAT(outcome_of_index(std::string(R"({"weight_map":{"a":")") + name + "\"}}"),
               Catch::Contains("is not the name of a .safetensors file in this folder"));
  }
  CHECK_THAT(outcome_of_index("{}"), Catch::Contains("weight_map is missing"));
  CHECK_THAT(outcome_of_index(R"({"weight_map":{}})"), Catch::Contains("names 0 files"));
  CHECK_THAT(outcome_of_index(R"({"weight_map":{"a":1}})"), Catch::Contains("weight_map.a is a number"));
  CHECK_THAT(outcome_of_index(R"({"weight_map":{"a":"1.safetensors","a":"2.safetensors"}})"), Catch::Contains("twice"));
  std::string many = R"({"weight_map":{"t":"t.safetensors")";
  for (int i = 0; i < 1024; ++i) many += ",\"" + std::to_string(i) + "\":\"" + std::to_string(i) + ".safetensors\"";
  CHECK_THAT(outcome_of_index(many + "}}"), Catch::Contains("names 1025 files; 1 to 1024"));
}

TEST_CASE("shards that contradict their index, or each other, are refused") {
  StoredForTest a{"a", "F32", {1}, Bytes(4)}, b{"b", "F32", {1}, Bytes(4)};
  TemporaryFolder folder;
  auto outcome_of_folder = [&](std::string_view map) {
    folder.write("model.safetensors.index.json", map);
    auto weights = WeightFiles::open(folder.path());
    return weights ? std::to_string(weights->tensors().size()) : weights.error().message;
  };
  folder.write("1.safetensors", safetensors_file({a}));
  folder.write("2.safetensors", safetensors_file({b}));
  CHECK(outcome_of_folder(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})") == "2");
  CHECK_THAT(outcome_of_folder(R"({"weight_map":{"a":"1.safetensors","b":"1.safetensors"}})"),
             Catch::EndsWith("b is not in 1.safetensors"));
  CHECK_THAT(outcome_of_folder(R"({"weight_map":{"a":"2.safetensors","b":"1.safetensors"}})"),
             Catch::EndsWith("a is not in 2.safetensors"));
  CHECK_THAT(outcome_of_folder(R"({"weight_map":{"a":"1.safetensors","b":"3.safetensors"}})"),
             Catch::StartsWith("3.safetensors: ") && Catch::Contains("No such file"));
  folder.write("2.safetensors", safetensors_file({b, a}));
  CHECK_THAT(outcome_of_folder(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})"),
             Catch::EndsWith("a is in another file, too"));
  // A tensor the index forgot is taken all the same, as Hugging Face's loader does.
  folder.write("2.safetensors", safetensors_file({b, {"c", "F32", {1}, Bytes(4)}}));
  CHECK(outcome_of_folder(R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})") == "3");
  // The whole file counts before the index.
  folder.write("model.safetensors", safetensors_file({a}));
  CHECK(outcome_of_folder("no JSON") == "1");
}
