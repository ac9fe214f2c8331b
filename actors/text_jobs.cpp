#include "actors/text_jobs.hpp"

#include <exception>
#include <string>

#include "actors/prompt_tokens.hpp"
#include "actors/reply.hpp"

namespace troupe {
namespace {

// For a job that is dropped: there was no room for it, or the workers have been closed.
template <class T>
ReplyPtr<T> reply_to(const ServiceEnvPtr& env, std::function<void(Result<T>)> done) {
  return std::make_shared<Reply<T>>(std::move(done), [env] {
    bool stopping = env->status.draining.load();
    return stopping ? Error{ErrorCode::kShuttingDown, "the server is shutting down", "", 1} : text_queue_full(*env);
  });
}

Result<std::string> text_of(const ServiceEnv& env, const std::vector<TokenId>& tokens) {
  for (TokenId token : tokens) {
    if (token >= 0 && static_cast<std::uint32_t>(token) < env.options.codec->vocab_size()) continue;
    return Error{ErrorCode::kInvalidRequest,
                 "tokens has id " + std::to_string(token) + "; this model has ids 0 to " +
                     std::to_string(env.options.codec->vocab_size() - 1),
                 "tokens", 0};
  }
  try {
    return env.options.codec->detokenize(tokens, true);
  } catch (const std::exception&) {
    return Error{ErrorCode::kInternal, "the tokens could not be detokenized", "", 0};
  }
}

}  // namespace

Error text_queue_full(const ServiceEnv& env) {
  return {ErrorCode::kQueueFull, "too many texts are waiting to be tokenized", "",
          env.status.retry_after_s.load(std::memory_order_relaxed)};
}

bool post_text_job(const ServiceEnvPtr& env, std::size_t bytes, std::function<void()> job) {
  auto mark = std::make_shared<WorkMark>(env, ProgressStage::kText);
  return env->options.text_workers->try_post([mark, job = std::move(job)] { job(); }, bytes);
}

void post_tokenize(const ServiceEnvPtr& env, TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) {
  auto reply = reply_to(env, std::move(done));
  std::size_t bytes = bytes_of(job.prompt);
  auto asked = std::make_shared<const TokenizeJob>(std::move(job));
  post_text_job(env, bytes, [env, reply, asked] {
    reply->answer(prompt_tokens(*env->options.codec, asked->prompt, asked->add_special));
  });
}

void post_detokenize(const ServiceEnvPtr& env, std::vector<TokenId> tokens,
                     std::function<void(Result<std::string>)> done) {
  auto reply = reply_to(env, std::move(done));
  std::size_t bytes = tokens.size() * sizeof(TokenId);
  auto asked = std::make_shared<const std::vector<TokenId>>(std::move(tokens));
  post_text_job(env, bytes, [env, reply, asked] { reply->answer(text_of(*env, *asked)); });
}

}  // namespace troupe
