// Folders of safetensors against the GGUF files of the same weights.
#include "model/safetensors/safetensors_folder.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <functional>

#include "test/model/folder_logits.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kBlocks = 64;
constexpr std::uint32_t kTokens = 40;

std::string refusal_of(const std::string& path) {
  auto folder = SafetensorsFolder::open(path);
  if (!folder) {
    CHECK(folder.error().code == ErrorCode::kModelFile);
    return folder.error().message;
  }
  auto description = describe_model(folder->metadata(), folder->tensors());
  if (!description) return description.error().message;
  return "";
}

std::vector<TokenId> some_tokens(std::uint32_t vocab) {
  std::vector<TokenId> tokens;
  for (std::uint32_t i = 0; i < kTokens; ++i) tokens.push_back(static_cast<TokenId>((i * 37 + 11) % vocab));
  return tokens;
}

// Of the host engine.
Logits engine_logits(const Metadata& metadata, const TensorTable& tensors, const std::vector<TokenId>& tokens) {
  ModelDescription description = described(metadata, tensors);
  ThreadPool pool(2, "load");
  auto model = make_host_model(description, tensors, {}, description.hyper.context_length, {}, pool);
  INFO((model ? std::string() : model.error().message));
  REQUIRE(model.ok());
  HostLimits limits;
  limits.rows_max = 8;
  limits.tokens_max = 64;
  limits.threads = 2;
  auto runner = HostStepRunner::make(*model, **select_kernels(""), limits, kBlocks);
  REQUIRE(runner.ok());
  Logits all;
  RowSampling greedy;
  for (std::uint32_t i = 0; i < tokens.size(); ++i) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = i + 1;
    add_row(*plan, 1, i, {tokens[i]}, 0, &greedy);
    run_plan(**runner, plan);
    auto logits = (*runner)->last_logits(0).first(description.hyper.vocab_size);
    all.emplace_back(logits.begin(), logits.end());
  }
  return all;
}

float largest_difference(const Logits& a, const Logits& b) {
  REQUIRE(a.size() == b.size());
  float worst = 0.0F;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].size() == b[i].size());
    for (std::size_t j = 0; j < a[i].size(); ++j) worst = std::max(worst, std::abs(a[i][j] - b[i][j]));
  }
  return worst;
}

// The file's bytes with all norms within [0.5, 2]: there 1 can be taken off and put back without a rounding.
Bytes with_even_norms(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Bytes bytes((std::istreambuf_iterator<char>(in)), {});
  auto contents = parse_gguf(bytes);
  REQUIRE(contents.ok());
  for (const auto& [name, tensor] : contents->tensors.all()) {
    if (name.find("norm") == std::string::npos) continue;
    std::size_t first =
        static_cast<std::size_t>(reinterpret_cast<const std::uint8_t*>(tensor.bytes.data()) - bytes.data());
    for (std::size_t at = first; at < first + tensor.byte_count; at += sizeof(float)) {
      float value;
      std::memcpy(&value, &bytes[at], sizeof value);
      value = std::clamp(value, 0.5F, 2.0F);
      std::memcpy(&bytes[at], &value, sizeof value);
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("a folder gives the logits of the GGUF file of the same weights, in every architecture and spelling") {
  for (const GoldenFolder& golden : golden_folders()) {
    auto path = shared_file(std::string("golden/") + golden.name + ".gguf");
    if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    INFO(golden.name);
    Bytes bytes = with_even_norms(*path);
    GgufContents file = std::move(*parse_gguf(bytes));
    ModelDescription model = described(file.metadata, file.tensors);
    std::vector<TokenId> tokens = some_tokens(128);
    Logits expected = reference_logits(model, tokens);
    Logits engine = engine_logits(file.metadata, file.tensors, tokens);
    // The reference adds up the values of a llama's heads in the file's order, which is another one here. The engine
    // has one order of its own.
    float tolerance = golden.architecture == std::string("llama") ? 2e-4F : 0.0F;
    for (const std::string* config : {&golden.config, &golden.newer_config}) {
      TemporaryFolder written;
      written.write("config.json", *config);
      written.write_weights(stored_of(golden, file.tensors), config == &golden.config ? 1 : 3);
      auto folder = open_folder(written.path());
      ModelDescription description = described(folder->metadata(), folder->tensors());
      CHECK(largest_difference(reference_logits(description, tokens), expected) <= tolerance);
      CHECK(largest_difference(engine_logits(folder->metadata(), folder->tensors(), tokens), engine) == 0.0F);
    }
  }
}

TEST_CASE("norms of Gemma far from 1 come back rounded, and the logits move by no more than that") {
  for (const char* name : {"gemma3", "gemma3_noswa"}) {
    const GoldenFolder& golden = golden_folder(name);
    auto path = shared_file(std::string("golden/") + name + ".gguf");
    if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    auto model = describe_file(*path);
    TemporaryFolder written;
    written.write("config.json", golden.config);
    written.write_weights(stored_of(golden, model->file.tensors()));
    auto folder = open_folder(written.path());
    std::vector<TokenId> tokens = some_tokens(128);
    CHECK(largest_difference(reference_logits(described(folder->metadata(), folder->tensors()), tokens),
                             reference_logits(model->description, tokens)) <= 1e-5F);
  }
}

TEST_CASE("a folder gives llama.cpp's logits") {
  for (const GoldenFolder& golden : golden_folders()) {
    std::string name = golden.name;
    auto path = shared_file("golden/" + name + ".gguf"),
         logits = shared_file("golden/" + name + ".llamacpp_f32.logits");
    if (!path || !logits) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    INFO(name);
    auto model = describe_file(*path);
    TemporaryFolder written;
    written.write("config.json", golden.config);
    written.write_weights(stored_of(golden, model->file.tensors()));
    auto folder = open_folder(written.path());
    std::vector<TokenId> prompt = ids(data_file("golden.txt"), name + ".prompt");
    Logits all = reference_logits(described(folder->metadata(), folder->tensors()), prompt);
    std::ifstream in(*logits, std::ios::binary);
    Logits expected(prompt.size(), std::vector<float>(128));
    for (auto& row : expected) in.read(reinterpret_cast<char*>(row.data()), 128 * sizeof(float));
    REQUIRE(in.good());
    // llama.cpp's GELU is a table in half precision.
    CHECK(largest_difference(all, expected) < (golden.architecture == std::string("gemma3") ? 5e-3F : 2e-4F));
  }
}

TEST_CASE("weights in F16 and BF16, at any address, are those of the GGUF file") {
  for (DType type : {DType::kF16, DType::kBF16, DType::kF32}) {
    for (std::size_t odd : {0, 1, 3}) {
      INFO(format_of(type).name << " " << odd);
      TinyShape shape;
      shape.type = shape.value_type = shape.embedding_type = type;
      shape.tied = type != DType::kF16;
      TemporaryFile file(tiny_model(shape).bytes());
      auto model = describe_file(file.path());
      TemporaryFolder written;
      written.write(
          "config.json",
          std::string(R"({"model_type":"llama","hidden_size":64,"intermediate_size":128,"rms_norm_eps":1e-5,)") +
              R"("num_attention_heads":4,"num_key_value_heads":2,"num_hidden_layers":2,)" +
              R"("max_position_embeddings":512,"tie_word_embeddings":)" + (shape.tied ? "true}" : "false}"));
      written.write_weights(as_stored(model->file.tensors(), {"llama", 16, ""}), 1, odd);
      auto folder = open_folder(written.path());
      std::vector<TokenId> tokens = some_tokens(96);
      ModelDescription description = described(folder->metadata(), folder->tensors());
      CHECK(description.layers[0].attn_q->type == type);
      CHECK(largest_difference(reference_logits(description, tokens), reference_logits(model->description, tokens)) <=
            2e-4F);
      CHECK(largest_difference(engine_logits(folder->metadata(), folder->tensors(), tokens),
                               engine_logits(model->file.metadata(), model->file.tensors(), tokens)) == 0.0F);
    }
  }
}

TEST_CASE("rows of embeddings and head beyond the tokenizer's tokens are dropped") {
  const GoldenFolder& golden = golden_folder("llama_plain");
  auto path = shared_file("golden/llama_plain.gguf");
  if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
  auto model = describe_file(*path);
  TemporaryFolder written;
  written.write("config.json", golden.config);
  written.write_weights(stored_of(golden, model->file.tensors()));
  auto folder = open_folder(written.path());
  REQUIRE(folder->keep_tokens(101).ok());
  ModelDescription description = described(folder->metadata(), folder->tensors());
  CHECK(description.hyper.vocab_size == 101);
  std::vector<TokenId> tokens = some_tokens(101);
  Logits expected = engine_logits(model->file.metadata(), model->file.tensors(), tokens);
  for (auto& row : expected) row.resize(101);
  CHECK(largest_difference(engine_logits(folder->metadata(), folder->tensors(), tokens), expected) == 0.0F);
  CHECK_THAT(open_folder(written.path())->keep_tokens(129).error().message,
             Catch::Equals("tokenizer.json: has 129 tokens; the model has embeddings for 128"));
}

TEST_CASE("a model of several parts is read for its language") {
  const GoldenFolder& golden = golden_folder("gemma3");
  auto path = shared_file("golden/gemma3.gguf");
  if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
  auto model = describe_file(*path);
  std::vector<TokenId> tokens = some_tokens(128);
  Logits expected = reference_logits(model->description, tokens);
  StoredForTest vision{"vision_tower.conv.weight", "I8", {1, 2, 1, 1, 2}, Bytes(4)};
  std::string whole = R"({"architectures":["Gemma3ForConditionalGeneration"],"model_type":"gemma3","vision_config":{},)"
                      R"("eos_token_id":[1,106],"text_config":)" +
                      golden.config + "}";
  for (const std::string& prefix : {std::string("language_model.model."), std::string("model.language_model."),
                                    std::string("model.language_model.model.")}) {
    auto tensors = stored_of(golden, model->file.tensors());
    for (StoredForTest& tensor : tensors) tensor.name.replace(0, std::string("model.").size(), prefix);
    tensors.push_back(vision);
    if (prefix.starts_with("model.")) tensors.back().name = "model." + vision.name;
    TemporaryFolder written;
    written.write("config.json", whole);
    written.write_weights(tensors);
    auto folder = open_folder(written.path());
    CHECK(folder->end_ids() == std::vector<std::uint64_t>{1, 106});
    CHECK(largest_difference(reference_logits(described(folder->metadata(), folder->tensors()), tokens), expected) <=
          1e-5F);
  }
}

TEST_CASE("the header of a folder changes with its config and with the headers of its files") {
  const GoldenFolder& golden = golden_folder("llama_plain");
  auto path = shared_file("golden/llama_plain.gguf");
  if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
  auto tensors = stored_of(golden, describe_file(*path)->file.tensors());
  auto header = [&](const std::string& config, const std::vector<StoredForTest>& weights) {
    TemporaryFolder written;
    written.write("config.json", config);
    written.write_weights(weights);
    auto folder = open_folder(written.path());
    CHECK(folder->modified_s() > 1'600'000'000);
    return Bytes(folder->header().begin(), folder->header().end());
  };
  Bytes first = header(golden.config, tensors);
  CHECK(header(golden.config, tensors) == first);
  CHECK(header(with(golden.config, "rms_norm_eps", "1.1e-5"), tensors) != first);
  std::swap(tensors[1], tensors[2]);
  CHECK(header(golden.config, tensors) != first);
}

TEST_CASE("what is wrong with a folder is said by its name") {
  const GoldenFolder& golden = golden_folder("llama_plain");
  auto path = shared_file("golden/llama_plain.gguf");
  if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
  auto model = describe_file(*path);
  const std::vector<StoredForTest> good = stored_of(golden, model->file.tensors());
  auto position = [&](const std::string& name) {
    return std::find_if(good.begin(), good.end(), [&](auto& t) { return t.name == name; }) - good.begin();
  };
  const auto q = static_cast<std::size_t>(position("model.layers.0.self_attn.q_proj.weight"));
  const auto head = static_cast<std::size_t>(position("lm_head.weight"));
  using Tensors = std::vector<StoredForTest>;
  struct Case {
    std::function<void(Tensors&)> change;
    const char* reason;
  };
  for (const Case& c : {
           Case{[](Tensors&) {}, ""},
           Case{[&](Tensors& t) { t[q].dtype = "F8_E4M3", t[q].data.resize(64 * 64); },
                "model.layers.0.self_attn.q_proj.weight: is of type F8_E4M3, which is not supported"},
           Case{[&](Tensors& t) { t[q].name = "model.layers.0.self_attn.w_pack.weight"; },
                "w_pack.weight: a model of type llama has no use for such a tensor"},
           Case{[&](Tensors& t) { t[q].name = "model.layers.00.self_attn.q_proj.weight"; }, "has no use for"},
           Case{[&](Tensors& t) { t[q].name = "model.layers.3.self_attn.q_proj.weight"; }, "has no use for"},
           Case{[&](Tensors& t) { t[q].name = "vision_tower.x"; }, "has no use for"},
           Case{[&](Tensors& t) { t.erase(t.begin() + static_cast<std::ptrdiff_t>(q)); },
                "blk.0.attn_q.weight: this tensor is missing"},
           Case{[&](Tensors& t) { t.erase(t.begin() + static_cast<std::ptrdiff_t>(head)); },
                "lm_head.weight: this tensor is missing"},
           Case{[&](Tensors& t) {
                  t[q].shape = {32, 128};
                },
                "blk.0.attn_q.weight: has the shape 128 x 32"},
           Case{[&](Tensors& t) {
                  t[q].shape = {1, 1, 1, 64, 64};
                },
                "must have 1 to 4 dimensions"},
           Case{[&](Tensors& t) {
                  t[q].shape = {0, 64}, t[q].data.clear();
                },
                "must have 1 to 4 dimensions"},
           Case{[&](Tensors& t) { t[q].shape = {}, t[q].data.resize(4); }, "must have 1 to 4 dimensions"},
           Case{[&](Tensors& t) { t.push_back(t[q]), t.back().name = "language_model." + t[q].name; },
                "is there under another name, too"},
           Case{[&](Tensors& t) {
                  t.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", "F32", {1}, Bytes(4)});
                },
                ""},
       }) {
    Tensors tensors = good;
    c.change(tensors);
    TemporaryFolder written;
    written.write("config.json", golden.config);
    written.write_weights(tensors);
    std::string message = refusal_of(written.path());
    INFO(c.reason << " / " << message);
    CHECK((*c.reason == '\0' ? message.empty() : message.find(c.reason) != std::string::npos));
  }
}

TEST_CASE("a folder without what it must have says what is missing") {
  TemporaryFolder folder;
  CHECK_THAT(refusal_of(folder.path()), Catch::StartsWith("config.json: it is missing; a model's folder has"));
  folder.write("config.json", golden_folder("llama_plain").config);
  CHECK_THAT(refusal_of(folder.path()), Catch::EndsWith("it has neither model.safetensors nor "
                                                        "model.safetensors.index.json"));
  folder.write("pytorch_model.bin", "PK");
  CHECK_THAT(refusal_of(folder.path()), Catch::EndsWith("PyTorch's pytorch_model.bin is not supported"));
  folder.write("model.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  CHECK_THAT(refusal_of(folder.path()), Catch::StartsWith("model.safetensors: this is a Git LFS pointer"));
  folder.write("model.safetensors", "");
  CHECK_THAT(refusal_of(folder.path()), Catch::Contains("model.safetensors: ") && Catch::Contains("empty"));
  folder.write("config.json", "");
  CHECK_THAT(refusal_of(folder.path()), Catch::Contains("config.json: ") && Catch::Contains("empty"));
}

TEST_CASE("biases that the config promises must be there") {
  const GoldenFolder& golden = golden_folder("qwen2");
  auto path = shared_file("golden/qwen2.gguf");
  if (!path) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
  auto tensors = stored_of(golden, describe_file(*path)->file.tensors());
  std::erase_if(tensors, [](auto& t) { return t.name == "model.layers.1.self_attn.v_proj.bias"; });
  TemporaryFolder written;
  written.write("config.json", golden.config);
  written.write_weights(tensors);
  CHECK(refusal_of(written.path()) == "blk.1.attn_v.bias: this tensor is missing");
}
