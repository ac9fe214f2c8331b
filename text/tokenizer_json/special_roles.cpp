// What stands before and after a text: the post-processor of tokenizer.json, and tokenizer_config.json.
#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <tuple>
#include <utility>

#include "text/tokenizer_json/parts.hpp"

namespace troupe {

namespace {

namespace json = boost::json;

constexpr std::size_t kProcessorsMax = 16;

// The tokens a template puts around a text: {"single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": ...}]}.
struct Frame {
  std::string_view before;
  std::string_view after;
};

Status read_template(const JsonView& processor, Frame& frame) {
  Result<const json::array*> single = processor.array("single");
  if (!single) return single.error();
  if (*single == nullptr) return broken_json(processor.where("single"), "is missing");
  bool text_seen = false;
  for (std::size_t i = 0; i < (*single)->size(); ++i) {
    std::string where = processor.where("single") + "[" + std::to_string(i) + "]";
    Result<JsonView> piece = JsonView::of((**single)[i], where);
    if (!piece) return piece.error();
    if (piece->find("Sequence") != nullptr) {
      text_seen = true;
      continue;
    }
    Result<std::optional<JsonView>> token = piece->object("SpecialToken");
    if (!token) return token.error();
    if (!*token) return broken_json(where, "is neither a Sequence nor a SpecialToken");
    Result<std::string_view> text = (*token)->text("id");
    if (!text) return text.error();
    std::string_view& place = text_seen ? frame.after : frame.before;
    if (!place.empty()) return broken_json(where, "is a second token on the same side, which is not supported");
    place = *text;
  }
  return {};
}

Status read_processor(const JsonView& processor, std::size_t& left, Frame& frame) {
  if (left-- == 0) return broken_json(processor.where(), "has too many steps");
  Result<std::string_view> type = processor.text("type");
  if (!type) return type.error();
  if (*type == "ByteLevel") return {};  // offsets only
  if (*type == "TemplateProcessing") return read_template(processor, frame);
  if (*type != "Sequence")
    return broken_json(processor.where("type"), "'" + std::string(type->substr(0, 64)) + "' is not supported");
  Result<const json::array*> list = processor.array("processors");
  if (!list) return list.error();
  if (*list == nullptr) return broken_json(processor.where("processors"), "is missing");
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    Result<JsonView> inner = JsonView::of((**list)[i], processor.where("processors") + "[" + std::to_string(i) + "]");
    if (!inner) return inner.error();
    if (Status read = read_processor(*inner, left, frame); !read) return read;
  }
  return {};
}

Result<std::optional<std::uint32_t>> find_token(const TokenizerSpec& spec, std::string_view text,
                                                const std::string& where) {
  if (text.empty()) return std::optional<std::uint32_t>();
  auto found = std::find(spec.tokens.begin(), spec.tokens.end(), text);
  if (found == spec.tokens.end()) return broken_json(where, "'" + std::string(text.substr(0, 64)) + "' is not a token");
  return std::optional(static_cast<std::uint32_t>(found - spec.tokens.begin()));
}

// "bos_token": "<s>", or an object with its "content".
Result<std::string_view> token_text(const JsonView& config, const char* key) {
  const json::value* value = config.find(key);
  if (value == nullptr || value->is_string()) return config.text(key, "");
  Result<JsonView> token = JsonView::of(*value, config.where(key));
  if (!token) return token.error();
  return token->text("content");
}

// A string, or a list of {"name", "template"}: of those the one named "default".
Status read_chat_template(const JsonView& config, std::string& chat_template) {
  const json::value* value = config.find("chat_template");
  if (value == nullptr) return {};
  if (value->is_string()) return chat_template = std::string_view(value->get_string()), Status();
  Result<const json::array*> list = config.array("chat_template");
  if (!list) return broken_json(config.where("chat_template"), "is neither a string nor a list");
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    Result<JsonView> named = JsonView::of((**list)[i], config.where("chat_template") + "[" + std::to_string(i) + "]");
    if (!named) return named.error();
    Result<std::string_view> name = named->text("name");
    Result<std::string_view> source = named->text("template");
    if (!name) return name.error();
    if (!source) return source.error();
    if (*name == "default") chat_template = *source;
  }
  return {};
}

Status read_config(const JsonView& config, TokenizerSpec& spec) {
  const std::pair<const char*, std::optional<std::uint32_t> TokenizerSpec::*> tokens[] = {
      {"bos_token", &TokenizerSpec::bos_id},
      {"eos_token", &TokenizerSpec::eos_id},
      {"unk_token", &TokenizerSpec::unknown_id},
      {"pad_token", &TokenizerSpec::padding_id}};
  for (auto [key, member] : tokens) {
    Result<std::string_view> text = token_text(config, key);
    if (!text) return text.error();
    Result<std::optional<std::uint32_t>> id = find_token(spec, *text, config.where(key));
    if (!id) return id.error();
    if (*id) spec.*member = **id;
  }
  // They overrule the post-processor, as in transformers' tokenizers of the Llama and Gemma families.
  for (auto [key, member] :
       {std::pair("add_bos_token", &TokenizerSpec::add_bos), {"add_eos_token", &TokenizerSpec::add_eos}}) {
    Result<bool> flag = config.flag(key, false);
    if (!flag) return flag.error();
    if (config.find(key) != nullptr) spec.*member = *flag;
  }
  return read_chat_template(config, spec.chat_template);
}

}  // namespace

Status read_special_roles(const JsonView& root, const std::optional<JsonView>& config, TokenizerSpec& spec) {
  Frame frame;
  Result<std::optional<JsonView>> processor = root.object("post_processor");
  if (!processor) return processor.error();
  std::size_t left = kProcessorsMax;
  if (*processor) {
    if (Status read = read_processor(**processor, left, frame); !read) return read;
  }
  if (config) {
    if (Status read = read_config(*config, spec); !read) return read;
  }
  std::string where = root.where("post_processor");
  for (auto [text, id, flag] : {std::tuple(frame.before, &TokenizerSpec::bos_id, &TokenizerSpec::add_bos),
                                {frame.after, &TokenizerSpec::eos_id, &TokenizerSpec::add_eos}}) {
    Result<std::optional<std::uint32_t>> framed = find_token(spec, text, where);
    if (!framed) return framed.error();
    bool is_used = (spec.*flag).value_or(framed->has_value());
    if (is_used && *framed && spec.*id && spec.*id != *framed) {
      return broken_json(where,
                         "adds '" + std::string(text.substr(0, 64)) + "', not the token tokenizer_config.json names");
    }
    if (*framed && !(spec.*id)) spec.*id = *framed;
    // A flag without a token is how many files say "no".
    spec.*flag = is_used && (spec.*id).has_value();
  }
  return {};
}

}  // namespace troupe
