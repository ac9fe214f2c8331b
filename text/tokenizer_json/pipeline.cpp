// The normalizer and the pre-tokenizer of tokenizer.json, mapped onto what our codecs do. Both are trees of steps; laid
// out flat, a pre-tokenizer is a list of expressions, and that list must be one our scanners equal.
#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/tokenizer/space_marks.hpp"
#include "text/tokenizer_json/parts.hpp"

namespace troupe {

namespace {

namespace json = boost::json;

constexpr std::size_t kStepsMax = 64;
constexpr std::size_t kShownBytesMax = 400;  // of an expression in a message

// \p{N}, and the expression that ByteLevel has of its own.
constexpr std::string_view kNumber = R"(\p{N})";
constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

struct KnownPreTokenizer {
  std::string_view pre;  // the name find_pre_tokenizer knows it by
  std::vector<std::string_view> expressions;
};

const std::vector<KnownPreTokenizer>& known_pre_tokenizers() {
  static const std::vector<KnownPreTokenizer> known = {
      {"gpt-2", {kGpt2}},
      {"smollm", {kNumber, kGpt2}},
      {"llama-bpe",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"qwen2",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"qwen35",
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)"
        R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"tekken",
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
        R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
        R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"gpt-4o",
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
        R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
        R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"deepseek-v3",
       {R"(\p{N}{1,3})", R"([一-龥぀-ゟ゠-ヿ]+)",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
        R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {"deepseek-coder", {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([一-龥ࠀ-一가-퟿]+)", kNumber}},
  };
  return known;
}

// Calls `each` with the steps of a tree of {"type": "Sequence", list_key: [...]}, in order.
template <class Each>
Status for_each_step(const JsonView& step, const char* list_key, std::size_t& steps_left, Each&& each) {
  if (steps_left-- == 0) return broken_json(step.where(), "has too many steps");
  Result<std::string_view> type = step.text("type");
  if (!type) return type.error();
  if (*type != "Sequence") return each(step, *type);
  Result<const json::array*> list = step.array(list_key);
  if (!list) return list.error();
  if (*list == nullptr) return broken_json(step.where(list_key), "is missing");
  for (std::size_t i = 0; i < (*list)->size(); ++i) {
    Result<JsonView> inner = JsonView::of((**list)[i], step.where(list_key) + "[" + std::to_string(i) + "]");
    if (!inner) return inner.error();
    if (Status read = for_each_step(*inner, list_key, steps_left, each); !read) return read;
  }
  return {};
}

Error unsupported(const JsonView& step, std::string_view what) {
  return broken_json(step.where(), "is '" + std::string(what.substr(0, kShownBytesMax)) + "', which is not supported");
}

// A pattern {"String": text} or {"Regex": text}; line breaks are written as in expressions.
struct Pattern {
  bool is_expression = false;
  std::string text;
};

Result<Pattern> pattern_of(const JsonView& step) {
  Result<std::optional<JsonView>> pattern = step.object("pattern");
  if (!pattern) return pattern.error();
  if (!*pattern) return broken_json(step.where("pattern"), "is missing");
  bool is_expression = (*pattern)->find("Regex") != nullptr;
  Result<std::string_view> text = (*pattern)->text(is_expression ? "Regex" : "String");
  if (!text) return text.error();
  Pattern made{is_expression, ""};
  for (char c : *text) {
    if (is_expression && (c == '\r' || c == '\n')) {
      made.text += c == '\r' ? "\\r" : "\\n";
    } else {
      made.text.push_back(c);
    }
  }
  return made;
}

class Pipeline {
 public:
  Status normalize(const JsonView& step, std::string_view type) {
    if (type == "NFC") return nfc_ = true, Status();
    if (type == "Prepend") {
      Result<std::string_view> prepend = step.text("prepend");
      if (!prepend) return prepend.error();
      if (*prepend != kSpaceMark) return unsupported(step, *prepend);
      prefix_ = SpacePrefix::kEveryStretch;
      return {};
    }
    if (type == "Replace") {
      Result<Pattern> pattern = pattern_of(step);
      Result<std::string_view> content = step.text("content");
      if (!pattern) return pattern.error();
      if (!content) return content.error();
      if (pattern->is_expression || pattern->text != " " || *content != kSpaceMark) {
        return unsupported(step, "Replace " + pattern->text + " by " + std::string(*content));
      }
      marks_spaces_ = true;
      return {};
    }
    return unsupported(step, type);
  }

  Status pre_tokenize(const JsonView& step, std::string_view type) {
    if (type == "Split") return split(step);
    if (type == "ByteLevel") return byte_level(step);
    if (type == "Metaspace") return metaspace(step);
    if (type == "Digits") {
      Result<bool> individual = step.flag("individual_digits", false);
      if (!individual) return individual.error();
      if (!*individual) return unsupported(step, "Digits, not individual_digits");
      expressions_.emplace_back(kNumber);
      return {};
    }
    return unsupported(step, type);
  }

  Status finish(const std::string& where, TokenizerSpec& spec) const {
    spec.nfc = nfc_;
    if (!is_byte_level_) {
      if (!marks_spaces_) return broken_json(where, "neither maps bytes (ByteLevel) nor marks spaces (U+2581)");
      if (!expressions_.empty()) return broken_json(where, "both marks spaces and splits, which is not supported");
      spec.model = "bpe";
      spec.add_space_prefix = prefix_.has_value();
      spec.space_prefix = prefix_.value_or(SpacePrefix::kEveryStretch);
      return {};
    }
    if (marks_spaces_ || prefix_) return broken_json(where, "both maps bytes and marks spaces, which is not supported");
    spec.model = "gpt2";
    for (const KnownPreTokenizer& known : known_pre_tokenizers()) {
      if (std::equal(known.expressions.begin(), known.expressions.end(), expressions_.begin(), expressions_.end())) {
        spec.pre = known.pre;
        return {};
      }
    }
    std::string all;
    for (const std::string& expression : expressions_) all += (all.empty() ? "" : " ; ") + expression;
    return broken_json(where, "splits by an unknown expression: " + all.substr(0, kShownBytesMax));
  }

 private:
  Status split(const JsonView& step) {
    Result<Pattern> pattern = pattern_of(step);
    Result<std::string_view> behavior = step.text("behavior");
    Result<bool> inverted = step.flag("invert", false);
    if (!pattern) return pattern.error();
    if (!behavior) return behavior.error();
    if (!inverted) return inverted.error();
    // Gemma: nothing is left to split at, all spaces are marks by then.
    if (marks_spaces_ && !pattern->is_expression && pattern->text == " ") return {};
    if (!pattern->is_expression || *behavior != "Isolated" || *inverted) {
      return unsupported(step,
                         "Split at " + pattern->text + ", " + std::string(*behavior) + (*inverted ? ", inverted" : ""));
    }
    expressions_.push_back(std::move(pattern->text));
    return {};
  }

  Status byte_level(const JsonView& step) {
    Result<bool> adds_space = step.flag("add_prefix_space", true);
    Result<bool> splits = step.flag("use_regex", true);
    if (!adds_space) return adds_space.error();
    if (!splits) return splits.error();
    if (*adds_space) return unsupported(step, "ByteLevel with add_prefix_space");
    is_byte_level_ = true;
    if (*splits) expressions_.emplace_back(kGpt2);
    return {};
  }

  Status metaspace(const JsonView& step) {
    Result<std::string_view> replacement = step.text("replacement");
    Result<std::string_view> scheme = step.text("prepend_scheme", "always");
    Result<bool> splits = step.flag("split", true);
    if (!replacement) return replacement.error();
    if (!scheme) return scheme.error();
    if (!splits) return splits.error();
    if (*replacement != kSpaceMark || *splits) return unsupported(step, "Metaspace that splits or marks otherwise");
    if (*scheme == "always") {
      prefix_ = SpacePrefix::kEveryStretchUnlessThere;
    } else if (*scheme == "first") {
      prefix_ = SpacePrefix::kTextUnlessThere;
    } else if (*scheme != "never") {
      return unsupported(step, *scheme);
    }
    marks_spaces_ = true;
    return {};
  }

  bool nfc_ = false;
  bool marks_spaces_ = false;
  bool is_byte_level_ = false;
  std::optional<SpacePrefix> prefix_;
  std::vector<std::string> expressions_;
};

}  // namespace

Status read_pipeline(const JsonView& root, TokenizerSpec& spec) {
  Pipeline pipeline;
  std::size_t steps_left = kStepsMax;
  Result<std::optional<JsonView>> normalizer = root.object("normalizer");
  if (!normalizer) return normalizer.error();
  if (*normalizer) {
    auto read = [&](const JsonView& step, std::string_view type) { return pipeline.normalize(step, type); };
    if (Status done = for_each_step(**normalizer, "normalizers", steps_left, read); !done) return done;
  }
  Result<std::optional<JsonView>> pre_tokenizer = root.object("pre_tokenizer");
  if (!pre_tokenizer) return pre_tokenizer.error();
  if (*pre_tokenizer) {
    auto read = [&](const JsonView& step, std::string_view type) { return pipeline.pre_tokenize(step, type); };
    if (Status done = for_each_step(**pre_tokenizer, "pretokenizers", steps_left, read); !done) return done;
  }
  return pipeline.finish(root.where("pre_tokenizer"), spec);
}

}  // namespace troupe
