#pragma once
// Work for the text workers: tokenizing, templates, detokenizing.
#include <cstddef>
#include <functional>

#include "actors/service_env.hpp"

namespace troupe {

// false when the queue is full: the job is not taken. The stage "text" has work until the job has run or is dropped.
bool post_text_job(const ServiceEnvPtr& env, std::size_t bytes, std::function<void()> job);

Error text_queue_full(const ServiceEnv& env);

void post_tokenize(const ServiceEnvPtr& env, TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done);
void post_detokenize(const ServiceEnvPtr& env, std::vector<TokenId> tokens,
                     std::function<void(Result<std::string>)> done);

}  // namespace troupe
