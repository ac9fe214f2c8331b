// The vocabulary of tokenizer.json: model.vocab, model.merges and added_tokens.
#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/tokenizer/vocabulary.hpp"
#include "text/tokenizer_json/parts.hpp"

namespace troupe {

namespace {

namespace json = boost::json;

constexpr std::size_t kShownBytesMax = 64;  // of a text from the file in a message

std::string shown(std::string_view text) { return "'" + std::string(text.substr(0, kShownBytesMax)) + "'"; }

bool is_byte_token(std::string_view text) {
  auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && is_digit(text[3]) && is_digit(text[4]) && text[5] == '>';
}

// Tokens by id as they come, in any order.
class TokenSlots {
 public:
  explicit TokenSlots(TokenizerSpec& spec) : spec_(spec) {}

  // False when another token has the id.
  bool put(std::uint32_t id, std::string_view text, TokenType type) {
    if (id >= spec_.tokens.size()) {
      spec_.tokens.resize(id + 1);
      spec_.token_types.resize(id + 1, kEmpty);
    }
    if (spec_.token_types[id] != kEmpty && spec_.tokens[id] != text) return false;
    spec_.tokens[id] = text;
    spec_.token_types[id] = static_cast<std::int32_t>(type);
    return true;
  }

  void fill_holes() {
    for (std::size_t id = 0; id < spec_.tokens.size(); ++id) {
      if (spec_.token_types[id] != kEmpty) continue;
      spec_.tokens[id] = "[UNUSED_" + std::to_string(id) + "]";
      spec_.token_types[id] = static_cast<std::int32_t>(TokenType::kUnused);
    }
  }

 private:
  static constexpr std::int32_t kEmpty = 0;
  TokenizerSpec& spec_;
};

Status read_vocab(const JsonView& model, bool has_bytes, TokenSlots& slots) {
  const json::value* vocab = model.find("vocab");
  if (vocab == nullptr || !vocab->is_object()) return broken_json(model.where("vocab"), "is not an object");
  for (const auto& member : vocab->get_object()) {
    std::string_view text = member.key();
    Result<std::uint32_t> id = id_of(member.value(), model.where("vocab") + "[" + shown(text) + "]");
    if (!id) return id.error();
    bool is_byte = has_bytes && is_byte_token(text);
    if (!slots.put(*id, text, is_byte ? TokenType::kByte : TokenType::kNormal)) {
      return broken_json(model.where("vocab"),
                         "has two tokens of the id " + std::to_string(*id) + ", one is " + shown(text));
    }
  }
  return {};
}

Status read_added_token(const JsonView& token, TokenSlots& slots, TokenizerSpec& spec) {
  Result<std::uint32_t> id = token.id("id");
  Result<std::string_view> content = token.text("content");
  Result<bool> is_special = token.flag("special", false);
  Result<bool> single_word = token.flag("single_word", false);
  Result<bool> strips_left = token.flag("lstrip", false);
  Result<bool> strips_right = token.flag("rstrip", false);
  if (!id) return id.error();
  if (!content) return content.error();
  for (const Result<bool>* flag : {&is_special, &single_word, &strips_left, &strips_right}) {
    if (!*flag) return flag->error();
  }
  if (*single_word) return broken_json(token.where("single_word"), "is true, which is not supported");
  if (!slots.put(*id, *content, *is_special ? TokenType::kControl : TokenType::kUserDefined)) {
    return broken_json(token.where(),
                       shown(*content) + " has the id " + std::to_string(*id) + ", which another token has");
  }
  if (*strips_left) spec.strip_left_ids.push_back(*id);
  if (*strips_right) spec.strip_right_ids.push_back(*id);
  return {};
}

Status read_added_tokens(const JsonView& root, TokenSlots& slots, TokenizerSpec& spec) {
  Result<const json::array*> added = root.array("added_tokens");
  if (!added) return added.error();
  if (*added == nullptr) return {};
  for (std::size_t i = 0; i < (*added)->size(); ++i) {
    Result<JsonView> token = JsonView::of((**added)[i], root.where("added_tokens") + "[" + std::to_string(i) + "]");
    if (!token) return token.error();
    if (Status read = read_added_token(*token, slots, spec); !read) return read.error();
  }
  return {};
}

// "left right", or ["left", "right"], where a part may have a space in it; only in the left part would it be lost.
Result<std::string> merge_of(const json::value& merge, const std::string& where) {
  if (merge.is_string()) return std::string(std::string_view(merge.get_string()));
  const json::array* parts = merge.if_array();
  if (parts == nullptr || parts->size() != 2 || !(*parts)[0].is_string() || !(*parts)[1].is_string()) {
    return broken_json(where, "is neither \"left right\" nor [\"left\", \"right\"]");
  }
  std::string_view left = (*parts)[0].get_string();
  std::string_view right = (*parts)[1].get_string();
  if (left.empty() || left.find(' ', 1) != std::string_view::npos) {
    return broken_json(where, "has a left part that is empty or has a space in it, which is not supported");
  }
  std::string joined(left);
  return joined.append(" ").append(right);
}

Status read_merges(const JsonView& model, TokenizerSpec& spec) {
  Result<const json::array*> merges = model.array("merges");
  if (!merges) return merges.error();
  if (*merges == nullptr) return broken_json(model.where("merges"), "is missing");
  spec.merges.reserve((*merges)->size());
  for (std::size_t i = 0; i < (*merges)->size(); ++i) {
    Result<std::string> merge = merge_of((**merges)[i], model.where("merges") + "[" + std::to_string(i) + "]");
    if (!merge) return merge.error();
    spec.merges.push_back(std::move(*merge));
  }
  return {};
}

// The unknown token, which replaces characters; only BPE over characters can lack one.
Status read_unknown(const JsonView& model, TokenizerSpec& spec) {
  Result<std::string_view> text = model.text("unk_token", "");
  if (!text) return text.error();
  if (text->empty() || spec.model != "bpe") return {};
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    if (spec.tokens[id] != *text) continue;
    spec.token_types[id] = static_cast<std::int32_t>(TokenType::kUnknown);
    spec.unknown_id = static_cast<std::uint32_t>(id);
    return {};
  }
  return broken_json(model.where("unk_token"), shown(*text) + " is not a token");
}

}  // namespace

Status read_tokens(const JsonView& root, TokenizerSpec& spec) {
  Result<std::optional<JsonView>> found = root.object("model");
  if (!found) return found.error();
  if (!*found) return broken_json(root.where("model"), "is missing");
  const JsonView& model = **found;
  Result<std::string_view> type = model.text("type", "BPE");
  if (!type) return type.error();
  if (*type != "BPE") return broken_json(model.where("type"), shown(*type) + " is not supported; BPE is");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    Result<std::string_view> affix = model.text(key, "");
    if (!affix) return affix.error();
    if (!affix->empty()) return broken_json(model.where(key), shown(*affix) + " is not supported");
  }
  Result<bool> has_bytes = model.flag("byte_fallback", false);
  if (!has_bytes) return has_bytes.error();
  if (spec.model == "bpe" && !*has_bytes) {
    return broken_json(model.where("byte_fallback"), "is off, which is supported for byte-level BPE only");
  }
  Result<bool> ignore_merges = model.flag("ignore_merges", false);
  if (!ignore_merges) return ignore_merges.error();
  spec.ignore_merges = *ignore_merges;

  TokenSlots slots(spec);
  if (Status read = read_vocab(model, spec.model == "bpe", slots); !read) return read;
  if (Status read = read_added_tokens(root, slots, spec); !read) return read;
  slots.fill_holes();
  if (Status read = read_merges(model, spec); !read) return read;
  return read_unknown(model, spec);
}

}  // namespace troupe
