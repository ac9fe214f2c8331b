#include "test/net/scripted_service.hpp"

namespace troupe::test {
namespace {

constexpr std::chrono::seconds kPatience{20};

class ByteCodec : public TextCodec {
 public:
  Result<std::vector<TokenId>> tokenize(std::string_view text, bool, bool) const override {
    std::vector<TokenId> tokens;
    for (char c : text) tokens.push_back(static_cast<unsigned char>(c));
    return tokens;
  }
  Result<std::vector<TokenId>> tokenize_chat(const ChatPrompt& prompt) const override {
    return tokenize(prompt.messages.back().content, false, false);
  }
  Status chat_template_status() const override { return {}; }
  std::unique_ptr<TextDecoder> new_decoder() const override { return nullptr; }
  std::unique_ptr<StopFilter> new_stop_filter(std::vector<std::string>) const override { return nullptr; }
  std::string detokenize(std::span<const TokenId> tokens, bool) const override {
    std::string text;
    for (TokenId token : tokens) text += static_cast<char>(token);
    return text;
  }
  std::string token_bytes(TokenId token) const override { return {static_cast<char>(token)}; }
  std::uint32_t vocab_size() const override { return 256; }
  std::span<const TokenId> end_of_generation() const override { return {}; }
};

}  // namespace

std::shared_ptr<ResponseStream> ScriptedService::submit(Request request) {
  std::shared_ptr<ResponseStream> stream;
  {
    std::lock_guard lock(mutex_);
    std::size_t index = submissions_.size();
    request.id = index + 1;
    stream = std::make_shared<ResponseStream>(request.id);
    stream->set_canceller([this, index](CancelReason reason) {
      std::shared_ptr<ResponseStream> cancelled;
      {
        std::lock_guard inner(mutex_);
        if (!submissions_[index].cancelled) submissions_[index].cancelled = reason;
        cancelled = submissions_[index].stream;
      }
      changed_.notify_all();
      cancelled->cancelled(reason);
    });
    submissions_.push_back({request, stream, std::nullopt});
  }
  changed_.notify_all();
  if (script_) script_(request, *stream);
  return stream;
}

void ScriptedService::tokenize(TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) {
  const auto* text = std::get_if<std::string>(&job.prompt);
  if (text != nullptr && *text == "!") return done(Error{ErrorCode::kQueueFull, "too much text", "", 2});
  done(ByteCodec().tokenize(text != nullptr ? *text : std::get<ChatPrompt>(job.prompt).messages.back().content, false,
                            false));
}

void ScriptedService::detokenize(std::vector<TokenId> tokens, std::function<void(Result<std::string>)> done) {
  done(ByteCodec().detokenize(tokens, false));
}

Readiness ScriptedService::readiness() const {
  std::lock_guard lock(mutex_);
  return readiness_;
}

void ScriptedService::set_readiness(Readiness readiness) {
  std::lock_guard lock(mutex_);
  readiness_ = std::move(readiness);
}

std::size_t ScriptedService::count() const {
  std::lock_guard lock(mutex_);
  return submissions_.size();
}

std::shared_ptr<ResponseStream> ScriptedService::stream(std::size_t index) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return submissions_.size() > index; })) return nullptr;
  return submissions_[index].stream;
}

Request ScriptedService::request(std::size_t index) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kPatience, [&] { return submissions_.size() > index; })) return {};
  return submissions_[index].request;
}

std::optional<CancelReason> ScriptedService::cancel_of(std::size_t index) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kPatience, [&] { return submissions_.size() > index && submissions_[index].cancelled; });
  return submissions_.size() > index ? submissions_[index].cancelled : std::nullopt;
}

ModelCatalog tiny_catalog() {
  ModelCard card;
  card.name = "tiny";
  card.aliases = {"small"};
  card.created_s = 1700000000;
  card.context_length = 64;
  card.vocab_size = 256;
  card.embedding_size = 3;
  card.architecture = "llama";
  card.quantization = "Q4_1";
  card.numerics_class = "class-1";
  card.device = "scripted";
  card.codec = std::make_shared<ByteCodec>();
  return ModelCatalog({card});
}

void append_token(ResponseStream& stream, TokenId id, std::string_view text, std::vector<TopToken> top) {
  StreamToken token;
  token.id = id;
  token.logprob = -0.5F;
  token.top = std::move(top);
  stream.append(std::span<const StreamToken>(&token, 1), text);
}

void answer_ok(const Request&, ResponseStream& stream) {
  stream.accept(3, 1, "class-1", false);
  append_token(stream, 'o', "o");
  append_token(stream, 'k', "k");
  stream.finish(FinishReason::kStop, Usage{3, 2, 1}, {});
}

}  // namespace troupe::test
