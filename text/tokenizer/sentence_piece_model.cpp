#include "text/tokenizer/sentence_piece_model.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "runtime/check.hpp"
#include "text/tokenizer/space_marks.hpp"
#include "text/tokenizer/word_memory.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

constexpr std::uint32_t kNoToken = 0xFFFFFFFFU;  // rank of what text does not join to

bool is_made_of_text(TokenType type) {
  return type == TokenType::kNormal || type == TokenType::kUserDefined || type == TokenType::kUnused;
}

// By id: the place of a token's score among all different scores, best first.
std::vector<std::uint32_t> ranks_of(const std::vector<float>& scores, const Vocabulary& vocabulary) {
  std::vector<std::uint32_t> by_score(scores.size());
  std::iota(by_score.begin(), by_score.end(), 0U);
  std::sort(by_score.begin(), by_score.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  std::vector<std::uint32_t> ranks(scores.size());
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < by_score.size(); ++i) {
    if (i > 0 && scores[by_score[i]] != scores[by_score[i - 1]]) ++rank;
    bool joins = is_made_of_text(vocabulary.type(static_cast<TokenId>(by_score[i])));
    ranks[by_score[i]] = joins ? rank : kNoToken;
  }
  return ranks;
}

}  // namespace

// Joins the symbols of a word by a heap over a linked list: n log n, however long it is.
class SentencePieceModel::Encoder final : public StretchEncoder {
 public:
  Encoder(const SentencePieceModel& model, std::vector<TokenId>& out) : model_(model), out_(out), memory_(out) {}

  void encode(std::string_view stretch, bool is_first) override {
    std::string text = with_space_marks(stretch, model_.prefix_, is_first);
    TROUPE_CHECK(text.size() < kNone, "a text has less than 4 GiB");
    model_.boundaries_.for_each_word(text, [this](std::string_view word) {
      memory_.encode(word, [this](std::string_view anew) { encode_anew(anew); });
    });
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

  struct Symbol {
    std::uint32_t begin = 0;  // in word_
    std::uint32_t bytes = 0;  // 0: joined to its left neighbour
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    TokenId token = -1;  // once joined
  };
  // A joinable pair. It is stale when its left symbol is gone or the two there now have another length.
  struct Pair {
    std::uint64_t rank_and_left = 0;
    std::uint32_t bytes = 0;
    TokenId token = -1;
    bool operator>(const Pair& other) const { return rank_and_left > other.rank_and_left; }
  };

  void encode_anew(std::string_view word) {
    word_ = word;
    start();
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      Pair best = heap_.back();
      heap_.pop_back();
      join(best);
    }
    emit();
  }

  void start() {
    symbols_.clear(), heap_.clear();
    for (std::uint32_t at = 0; at < word_.size();) {
      auto index = static_cast<std::uint32_t>(symbols_.size());
      std::uint32_t bytes = code_point_at(word_, at).bytes;
      symbols_.push_back({at, bytes, index - 1, index + 1, -1});
      at += bytes;
    }
    symbols_.back().next = kNone;
    for (std::uint32_t left = 0; left + 1 < symbols_.size(); ++left) {
      if (std::optional<Pair> pair = pair_at(left)) heap_.push_back(*pair);
    }
    std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  std::optional<Pair> pair_at(std::uint32_t left) const {
    const Symbol& symbol = symbols_[left];
    std::uint32_t bytes = symbol.bytes + symbols_[symbol.next].bytes;
    std::optional<TokenId> token = model_.find(word_.substr(symbol.begin, bytes));
    if (!token) return std::nullopt;
    std::uint32_t rank = model_.ranks_[static_cast<std::size_t>(*token)];
    return Pair{static_cast<std::uint64_t>(rank) << 32 | left, bytes, *token};
  }

  void push(std::uint32_t left) {
    std::optional<Pair> pair = pair_at(left);
    if (!pair) return;
    heap_.push_back(*pair);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  }

  void join(const Pair& pair) {
    auto at = static_cast<std::uint32_t>(pair.rank_and_left);
    Symbol& left = symbols_[at];
    if (left.bytes == 0 || left.next == kNone) return;
    Symbol& right = symbols_[left.next];
    if (left.bytes + right.bytes != pair.bytes) return;
    left.bytes = pair.bytes, left.token = pair.token, left.next = right.next;
    right.bytes = 0;
    if (left.next != kNone) {
      symbols_[left.next].previous = at;
      push(at);
    }
    if (left.previous != kNone) push(left.previous);
  }

  void emit() {
    std::size_t begin = out_.size();
    for (std::uint32_t at = 0; at != kNone; at = symbols_[at].next) {
      const Symbol& symbol = symbols_[at];
      std::string_view text = word_.substr(symbol.begin, symbol.bytes);
      std::optional<TokenId> token = symbol.token >= 0 ? symbol.token : model_.find(text);
      if (token) {
        out_.push_back(*token);
      } else {
        model_.fallback_.append(text, begin, out_);
      }
    }
  }

  const SentencePieceModel& model_;
  std::vector<TokenId>& out_;
  WordMemory memory_;
  std::string_view word_;
  std::vector<Symbol> symbols_;
  std::vector<Pair> heap_;  // smallest on top
};

SentencePieceModel::SentencePieceModel(const TokenizerSpec& spec, std::shared_ptr<const Vocabulary> vocabulary)
    : vocabulary_(std::move(vocabulary)),
      ranks_(ranks_of(spec.scores, *vocabulary_)),
      fallback_(spec, *vocabulary_),
      boundaries_(*vocabulary_) {
  for (TokenId id = 0; vocabulary_->contains(id); ++id) {
    if (is_made_of_text(vocabulary_->type(id))) {
      token_bytes_max_ = std::max(token_bytes_max_, vocabulary_->text(id).size());
    }
  }
  if (spec.add_space_prefix.value_or(true)) prefix_ = spec.space_prefix;
}

Result<std::unique_ptr<TokenModel>> SentencePieceModel::make(const TokenizerSpec& spec,
                                                             std::shared_ptr<const Vocabulary> vocabulary) {
  auto broken = [](std::string why) { return Error{ErrorCode::kModelFile, "tokenizer: " + std::move(why), "", 0}; };
  if (spec.scores.size() != vocabulary->size()) {
    return broken("scores has " + std::to_string(spec.scores.size()) + " entries for " +
                  std::to_string(vocabulary->size()) + " tokens; kind 'llama' needs one each");
  }
  auto bad = std::find_if_not(spec.scores.begin(), spec.scores.end(), [](float score) { return std::isfinite(score); });
  if (bad != spec.scores.end()) {
    return broken("the score of token " + std::to_string(bad - spec.scores.begin()) + " is not finite");
  }
  return std::unique_ptr<TokenModel>(new SentencePieceModel(spec, std::move(vocabulary)));
}

std::unique_ptr<StretchEncoder> SentencePieceModel::new_encoder(std::vector<TokenId>& out) const {
  return std::make_unique<Encoder>(*this, out);
}

std::optional<TokenId> SentencePieceModel::find(std::string_view text) const {
  if (text.size() > token_bytes_max_) return std::nullopt;
  std::optional<TokenId> id = vocabulary_->find(text);
  if (!id || ranks_[static_cast<std::size_t>(*id)] == kNoToken) return std::nullopt;
  return id;
}

}  // namespace troupe
