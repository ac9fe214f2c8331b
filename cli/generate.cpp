// troupe generate: one prompt in the terminal, streamed. The same engine and actors as the server, without a socket.
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "cli/commands.hpp"
#include "cli/engine.hpp"

namespace troupe {
namespace {

Request request_of(const GenerateArguments& arguments, bool has_chat_template) {
  Request request;
  if (arguments.raw || !has_chat_template) {
    request.prompt = arguments.prompt;
  } else {
    ChatPrompt chat;
    if (!arguments.system.empty()) chat.messages.push_back({"system", arguments.system, ""});
    chat.messages.push_back({"user", arguments.prompt, ""});
    request.prompt = std::move(chat);
  }
  request.sampling.temperature = arguments.temperature;
  request.sampling.seed = arguments.seed;
  request.stop.max_tokens = arguments.max_tokens;
  request.cache = CachePolicy::kNoCache;
  request.arrived = std::chrono::steady_clock::now();
  return request;
}

// Prints the text as it comes; returns the last chunk.
ResponseStream::Chunk print_stream(ResponseStream& stream) {
  std::mutex mutex;
  std::condition_variable changed;
  bool has_news = true;
  stream.on_change([&] {
    std::lock_guard lock(mutex);
    has_news = true;
    changed.notify_one();
  });
  ResponseStream::Cursor cursor;
  for (;;) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return has_news; });
      has_news = false;
    }
    ResponseStream::Chunk chunk = stream.read(cursor);
    std::fputs(chunk.text.c_str(), stdout);
    std::fflush(stdout);
    if (!chunk.is_ended()) continue;
    stream.on_change({});
    std::fputs("\n", stdout);
    return chunk;
  }
}

}  // namespace

int generate(const LoadedSettings& loaded, const GenerateArguments& arguments) {
  auto engine = start_engine(loaded.settings);
  if (!engine) return report(engine.error());
  auto stream = (*engine)->service->submit(request_of(arguments, (*engine)->card().codec->chat_template_status().ok()));
  ResponseStream::Chunk last = print_stream(*stream);
  if (last.phase != StreamPhase::kFinished) return report(last.error);
  double decode_s = std::chrono::duration<double>(last.stages[Stage::kDecode]).count();
  double prefill_s = std::chrono::duration<double>(last.stages[Stage::kPrefill]).count();
  std::fprintf(stderr, "%u prompt tokens in %.3f s, %u tokens", last.usage.prompt_tokens, prefill_s,
               last.usage.completion_tokens);
  if (last.usage.completion_tokens > 1 && decode_s > 0)
    std::fprintf(stderr, " at %.1f a second", (last.usage.completion_tokens - 1) / decode_s);
  std::fprintf(stderr, ", %s\n", (*engine)->card().device.c_str());
  return kExitDone;
}

}  // namespace troupe
