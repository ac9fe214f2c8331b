#include "test/doubles/byte_codec.hpp"

#include <algorithm>
#include <array>

namespace troupe::test {
namespace {

constexpr std::array<std::string_view, 4> kSpecials = {"<|end|>", "<|system|>", "<|user|>", "<|assistant|>"};
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Bytes the character that begins with `lead` has; 0 when none begins so.
std::size_t length_of(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  if (lead >= 0xF0 && lead < 0xF5) return 4;
  return 0;
}

class ByteDecoder final : public TextDecoder {
 public:
  void push(TokenId token, std::string& text) override {
    if (token < 0 || token > 255) return;
    char byte = static_cast<char>(token);
    bool continues = (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
    if (!pending_.empty() && !continues) finish(text);
    pending_ += byte;
    std::size_t length = length_of(static_cast<unsigned char>(pending_.front()));
    if (length == 0) return finish(text);
    if (pending_.size() < length) return;
    text += pending_;
    pending_.clear();
  }
  void finish(std::string& text) override {
    if (pending_.empty()) return;
    text += kReplacement;
    pending_.clear();
  }

 private:
  std::string pending_;
};

// The slow and obvious way: looks at everything held back again with each piece.
class NaiveStopFilter final : public StopFilter {
 public:
  explicit NaiveStopFilter(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  bool push(std::string_view text, std::string& shown) override {
    held_ += text;
    std::size_t first_end = std::string::npos;
    std::size_t begin = 0;
    for (const std::string& stop : stops_) {
      std::size_t at = held_.find(stop);
      if (at == std::string::npos || stop.empty()) continue;
      std::size_t end = at + stop.size();
      if (end < first_end || (end == first_end && at < begin)) first_end = end, begin = at;
    }
    if (first_end != std::string::npos) {
      shown.append(held_, 0, begin);
      held_.clear();
      return true;
    }
    std::size_t keep = 0;
    for (const std::string& stop : stops_) {
      for (std::size_t n = std::min(stop.size(), held_.size()); n > keep; --n) {
        if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
      }
    }
    shown.append(held_, 0, held_.size() - keep);
    held_.erase(0, held_.size() - keep);
    return false;
  }
  void finish(std::string& shown) override {
    shown += held_;
    held_.clear();
  }

 private:
  std::vector<std::string> stops_;
  std::string held_;
};

}  // namespace

Result<std::vector<TokenId>> ByteCodec::tokenize(std::string_view text, bool /*add_special*/,
                                                 bool parse_special) const {
  std::vector<TokenId> tokens;
  for (std::size_t at = 0; at < text.size();) {
    auto special = std::find_if(kSpecials.begin(), kSpecials.end(), [&](std::string_view name) {
      return parse_special && text.substr(at, name.size()) == name;
    });
    if (special == kSpecials.end()) {
      tokens.push_back(static_cast<unsigned char>(text[at++]));
    } else {
      tokens.push_back(kEndToken + static_cast<TokenId>(special - kSpecials.begin()));
      at += special->size();
    }
  }
  return tokens;
}

Result<std::vector<TokenId>> ByteCodec::tokenize_chat(const ChatPrompt& prompt) const {
  std::vector<TokenId> tokens;
  auto append = [&](std::string_view text, bool parse_special) {
    Result<std::vector<TokenId>> more = tokenize(text, false, parse_special);
    tokens.insert(tokens.end(), more->begin(), more->end());
  };
  for (const ChatMessage& message : prompt.messages) {
    if (message.role != "system" && message.role != "user" && message.role != "assistant") {
      return Error{ErrorCode::kInvalidRequest, "the template knows no role '" + message.role + "'", "messages", 0};
    }
    append("<|" + message.role + "|>", true);
    append(message.content, false);
    for (std::size_t i = 0; i < message.parts.size(); ++i) append((i > 0 ? "\n" : "") + message.parts[i], false);
    append("<|end|>", true);
  }
  if (prompt.add_generation_prompt) append("<|assistant|>", true);
  return tokens;
}

std::unique_ptr<TextDecoder> ByteCodec::new_decoder() const { return std::make_unique<ByteDecoder>(); }

std::unique_ptr<StopFilter> ByteCodec::new_stop_filter(std::vector<std::string> stops) const {
  return std::make_unique<NaiveStopFilter>(std::move(stops));
}

std::string ByteCodec::detokenize(std::span<const TokenId> tokens, bool show_special) const {
  std::string text;
  ByteDecoder decoder;
  for (TokenId token : tokens) {
    decoder.push(token, text);
    if (show_special && token >= kEndToken) text += token_bytes(token);
  }
  decoder.finish(text);
  return text;
}

std::string ByteCodec::token_bytes(TokenId token) const {
  if (token >= 0 && token < kEndToken) return std::string(1, static_cast<char>(token));
  return std::string(kSpecials.at(static_cast<std::size_t>(token - kEndToken)));
}

std::span<const TokenId> ByteCodec::end_of_generation() const {
  static constexpr TokenId kEnd[] = {kEndToken};
  return kEnd;
}

}  // namespace troupe::test
