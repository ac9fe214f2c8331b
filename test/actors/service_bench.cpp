#include "test/actors/service_bench.hpp"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/log.hpp"

namespace troupe::test {
namespace {
// Deaths are what these tests are about; their lines in the log are not news.
const bool is_quiet = [] {
  set_log_sink([](LogLevel, std::string_view, std::string_view) {});
  return true;
}();
}  // namespace

ActorServiceOptions bench_options(StepRunnerFactory runners) {
  ActorServiceOptions options;
  options.codec = std::make_shared<ByteCodec>();
  options.new_runner = std::move(runners);
  options.text_workers = std::make_shared<WorkQueue>(1, WorkQueue::Limits{});
  options.metrics = std::make_shared<Metrics>();
  options.detached = false;
  options.actor_threads = 2;
  options.limits.steps_in_flight = 2;
  return options;
}

ActorService& ServiceBench::start() {
  auto made = ActorService::create(options);
  REQUIRE(made.ok());
  service = std::move(*made);
  return *service;
}

Request request_for(PromptInput prompt, std::uint32_t max_tokens) {
  Request request;
  request.model = "scripted";
  request.prompt = std::move(prompt);
  request.sampling.temperature = 0.0F;
  request.stop.max_tokens = max_tokens;
  request.arrived = std::chrono::steady_clock::now();
  return request;
}

std::vector<TokenId> ids_of(std::string_view text) {
  std::vector<TokenId> ids;
  for (char c : text) ids.push_back(static_cast<unsigned char>(c));
  return ids;
}

bool wait_for(ResponseStream& stream, const std::function<bool(const ResponseStream::Chunk&)>& enough) {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t changes = 0;
  stream.on_change([&] {
    std::lock_guard lock(mutex);
    ++changes;
    changed.notify_all();
  });
  auto deadline = std::chrono::steady_clock::now() + kLimit;
  bool satisfied = false;
  std::uint64_t seen = 0;
  while (!(satisfied = enough(all_of(stream)))) {
    std::unique_lock lock(mutex);
    if (!changed.wait_until(lock, deadline, [&] { return changes != seen; })) break;
    seen = changes;
  }
  stream.on_change({});
  return satisfied;
}

ResponseStream::Chunk wait_for_end(ResponseStream& stream) {
  REQUIRE(wait_for(stream, [](const ResponseStream::Chunk& chunk) { return chunk.is_ended(); }));
  return all_of(stream);
}

bool wait_for_tokens(ResponseStream& stream, std::size_t tokens) {
  return wait_for(stream, [tokens](const ResponseStream::Chunk& chunk) { return chunk.tokens.size() >= tokens; });
}

ResponseStream::Chunk all_of(const ResponseStream& stream) {
  ResponseStream::Cursor all;
  return stream.read(all);
}

std::vector<TokenId> tokens_of(const ResponseStream::Chunk& chunk) {
  std::vector<TokenId> ids;
  for (const StreamToken& token : chunk.tokens) ids.push_back(token.id);
  return ids;
}

std::string text_of(const std::vector<TokenId>& tokens) { return ByteCodec().detokenize(tokens, false); }

bool eventually(const std::function<bool()>& is_true) {
  auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (!is_true()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace troupe::test
