#include "test/text/fixtures.hpp"

#include <fstream>
#include <sstream>
#include <stdexcept>

#include "test/source_dir.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer/byte_alphabet.hpp"

namespace troupe::test {

std::vector<std::string> fixture_lines(const std::string& name) {
  std::ifstream file(source_dir() + "/test/text/data/" + name);
  if (!file) throw std::runtime_error("cannot read fixture " + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> fields(const std::string& line, char separator) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (std::size_t end = line.find(separator); end != std::string::npos; end = line.find(separator, at)) {
    parts.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  parts.push_back(line.substr(at));
  return parts;
}

std::vector<TokenId> ids(const std::string& numbers) {
  std::istringstream in(numbers);
  std::vector<TokenId> out;
  for (TokenId id = 0; in >> id;) out.push_back(id);
  return out;
}

TokenizerSpec smollm2_spec() {
  TokenizerSpec spec;
  std::vector<std::string> lines = fixture_lines("smollm2_vocabulary.txt");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::size_t space = lines[i].find(' ');
    std::string key = lines[i].substr(0, space);
    std::string value = lines[i].substr(space + 1);
    auto take_lines = [&](std::vector<std::string>& into) {
      auto count = static_cast<std::ptrdiff_t>(std::stoul(value));
      auto begin = lines.begin() + static_cast<std::ptrdiff_t>(i) + 1;
      into.assign(begin, begin + count);
      i += static_cast<std::size_t>(count);
    };
    auto number = [&] { return static_cast<std::uint32_t>(std::stoul(value)); };
    if (key == "model") spec.model = value;
    if (key == "pre") spec.pre = value;
    if (key == "bos_token_id") spec.bos_id = number();
    if (key == "eos_token_id") spec.eos_id = number();
    if (key == "unknown_token_id") spec.unknown_id = number();
    if (key == "padding_token_id") spec.padding_id = number();
    if (key == "add_bos_token") spec.add_bos = number() != 0;
    if (key == "chat_template") spec.chat_template = unescaped(value);
    if (key == "types") {
      for (char c : value) spec.token_types.push_back(c - '0');
    }
    if (key == "tokens") take_lines(spec.tokens);
    if (key == "merges") take_lines(spec.merges);
  }
  return spec;
}

const TextCodec& smollm2() {
  static const std::unique_ptr<TextCodec> codec = [] {
    auto made = make_text_codec(smollm2_spec());
    if (!made) throw std::runtime_error(made.error().message);
    return std::move(*made);
  }();
  return *codec;
}

SentencePieceFixture sentence_piece_fixture(const std::string& name) {
  SentencePieceFixture fixture;
  fixture.spec.model = "llama";
  fixture.spec.unknown_id = 0, fixture.spec.bos_id = 1, fixture.spec.eos_id = 2;
  for (const std::string& line : fixture_lines(name)) {
    std::vector<std::string> parts = fields(line, '\t');
    if (parts.size() == 1) {
      if (line.starts_with("add_space_prefix")) fixture.spec.add_space_prefix = line.ends_with("1");
    } else if (parts[0] == "text") {
      fixture.texts.push_back({unescaped(parts[1]), ids(parts[2])});
    } else {
      fixture.spec.token_types.push_back(std::stoi(parts[0]));
      fixture.spec.scores.push_back(std::stof(parts[1]));
      fixture.spec.tokens.push_back(unescaped(parts[2]));
    }
  }
  return fixture;
}

TokenizerSpec small_spec(const std::vector<std::string>& more) {
  TokenizerSpec spec;
  spec.model = "gpt2";
  spec.pre = "gpt-2";
  for (int byte = 0; byte < 256; ++byte) spec.tokens.push_back(byte_stand_in(static_cast<std::uint8_t>(byte)));
  spec.tokens.insert(spec.tokens.end(), more.begin(), more.end());
  spec.token_types.assign(spec.tokens.size(), static_cast<std::int32_t>(TokenType::kNormal));
  return spec;
}

}  // namespace troupe::test
