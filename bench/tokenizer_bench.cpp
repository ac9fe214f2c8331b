// How fast a model's tokenizer is: megabytes a second, there and back, for text of several kinds, each in one piece.
//   tokenizer_bench (--model FILE.gguf | --tokenizer tokenizer.json) [--smoke]
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "bench/machine.hpp"
#include "model/gguf/gguf_file.hpp"
#include "model/tokenizer_metadata.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer_json/tokenizer_json.hpp"

namespace troupe {
namespace {

using Words = std::vector<const char*>;

// Words drawn so that few are frequent and many rare, as in natural text; one in a few brings punctuation along.
std::string drawn(const Words& words, const Words& between, const Words& ends, std::size_t bytes) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < bytes) {
    double u = static_cast<double>(random()) / 4294967296.0;
    text += words[static_cast<std::size_t>(u * u * static_cast<double>(words.size()))];
    text += random() % 9 == 0 ? ends[random() % ends.size()] : between[random() % between.size()];
  }
  return text;
}

std::string english(std::size_t bytes) {
  const Words words = {"the",
                       "of",
                       "and",
                       "to",
                       "a",
                       "in",
                       "that",
                       "it",
                       "is",
                       "was",
                       "for",
                       "with",
                       "as",
                       "on",
                       "he",
                       "be",
                       "at",
                       "by",
                       "which",
                       "or",
                       "from",
                       "had",
                       "not",
                       "are",
                       "but",
                       "they",
                       "you",
                       "don't",
                       "we'll",
                       "server",
                       "request",
                       "answer",
                       "memory",
                       "reading",
                       "language",
                       "model",
                       "schedule",
                       "weather",
                       "morning",
                       "harbour",
                       "thought",
                       "question",
                       "evening",
                       "distance",
                       "measure",
                       "quietly",
                       "through",
                       "between",
                       "Elisabeth",
                       "Copenhagen",
                       "1984",
                       "nevertheless",
                       "extraordinary",
                       "unfamiliarity"};
  return drawn(words, {" "}, {", ", ". ", "; ", "? ", ".\n\n", " - "}, bytes);
}

std::string code(std::size_t bytes) {
  const Words words = {"i",     "(",         ")",          "=",           "std::",  "int",      "return", "const",
                       "auto",  "for",       "if",         "value",       "size()", "index",    "->next", "nullptr",
                       "begin", "0x1F",      "1024",       "text_at",     "vector", "template", "<T>",    "&&",
                       "!=",    "kCountMax", "push_back(", "token_bytes", "// why"};
  return drawn(words, {" ", "", " ", ", "}, {";\n", " {\n  ", "\n}\n", ");\n    ", "\n\n"}, bytes);
}

std::string chinese(std::size_t bytes) {
  const Words words = {"的",   "是",   "在",   "一",   "了",   "我们", "他",       "这个", "有",   "服务器",
                       "请求", "回答", "语言", "模型", "时间", "天气", "早晨",     "港口", "思想", "问题",
                       "晚上", "距离", "测量", "安静", "通过", "之间", "哥本哈根", "非凡"};
  return drawn(words, {""}, {"，", "。", "；", "？", "。\n"}, bytes);
}

struct Subject {
  const char* name;
  std::string text;
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

void measure(const TextCodec& codec, const Subject& subject, int rounds) {
  std::vector<double> there, back;
  std::size_t tokens = 0;
  for (int round = 0; round < rounds; ++round) {
    auto begin = Clock::now();
    auto ids = codec.tokenize(subject.text, false, true);
    there.push_back(seconds_since(begin));
    begin = Clock::now();
    std::string decoded = codec.detokenize(*ids, true);
    back.push_back(seconds_since(begin));
    tokens = ids->size();
    // A vocabulary may lack bytes (SmolLM2 does), but none of these.
    if (decoded != subject.text) std::printf("%-10s is not decoded to what it was\n", subject.name);
  }
  std::sort(there.begin(), there.end()), std::sort(back.begin(), back.end());
  double megabytes = static_cast<double>(subject.text.size()) * 1e-6;
  auto rate = [&](const std::vector<double>& seconds, std::size_t i) { return megabytes / seconds[i]; };
  std::printf("%-10s %10.1f %10.1f %10.1f %10.1f %12.2f\n", subject.name, rate(there, 0), rate(there, there.size() / 2),
              rate(back, 0), rate(back, back.size() / 2),
              static_cast<double>(subject.text.size()) / static_cast<double>(tokens));
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<TokenizerSpec> read_spec(const std::string& model, const std::string& tokenizer) {
  if (!tokenizer.empty()) return read_tokenizer_json(file_text(tokenizer), "");
  auto file = GgufFile::open(model);
  if (!file) return file.error();
  auto tokens = file->metadata().strings("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  return read_tokenizer_spec(file->metadata(), static_cast<std::uint32_t>(tokens->size()));
}

int run(int argc, char** argv) {
  std::string model, tokenizer;
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (std::strcmp(argv[i], "--model") == 0 && i + 1 < argc) {
      model = argv[++i];
    } else if (std::strcmp(argv[i], "--tokenizer") == 0 && i + 1 < argc) {
      tokenizer = argv[++i];
    }
  }
  if (model.empty() == tokenizer.empty()) {
    std::fprintf(stderr, "usage: tokenizer_bench (--model FILE.gguf | --tokenizer tokenizer.json) [--smoke]\n");
    return 2;
  }
  bench::print_heading(argc, argv);
  auto begin = Clock::now();
  auto spec = read_spec(model, tokenizer);
  if (!spec) return std::fprintf(stderr, "%s\n", spec.error().message.c_str()), 2;
  double read_ms = seconds_since(begin) * 1e3;
  begin = Clock::now();
  auto codec = make_text_codec(std::move(*spec));
  if (!codec) return std::fprintf(stderr, "%s\n", codec.error().message.c_str()), 2;
  std::printf("%u tokens: read in %.0f ms, made in %.0f ms\n\n", (*codec)->vocab_size(), read_ms,
              seconds_since(begin) * 1e3);

  std::size_t bytes = smoke ? 1U << 16 : 1U << 20;
  std::printf("%-10s %10s %10s %10s %10s %12s\n", "MB/s", "encode", "median", "decode", "median", "bytes/token");
  for (const Subject& subject : {Subject{"English", english(bytes)}, Subject{"code", code(bytes)},
                                 Subject{"Chinese", chinese(bytes)}, Subject{"one letter", std::string(bytes, 'a')}}) {
    measure(**codec, subject, smoke ? 1 : 7);
  }
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
