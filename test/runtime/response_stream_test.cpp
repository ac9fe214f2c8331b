#include "runtime/doors/response_stream.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

using namespace troupe;

namespace {
StreamToken token(TokenId id) {
  StreamToken t;
  t.id = id;
  return t;
}
}  // namespace

TEST_CASE("response stream gives every reader the same tokens at the same offsets") {
  ResponseStream stream(1);
  stream.accept(3, 0, "class", false);
  StreamToken first[] = {token(10)};
  stream.append(first, "he");
  ResponseStream::Cursor live;
  REQUIRE(stream.read(live).text == "he");
  StreamToken second[] = {token(11), token(12)};
  stream.append(second, "llo");
  auto chunk = stream.read(live);
  REQUIRE(chunk.text == "llo");
  REQUIRE(chunk.tokens.size() == 2);
  REQUIRE(chunk.tokens[0].text_begin == 2);

  ResponseStream::Cursor late;
  auto all = stream.read(late);
  REQUIRE(all.text == "hello");
  REQUIRE(all.tokens.size() == 3);
  ResponseStream::Cursor resumed{1, 2};
  REQUIRE(stream.read(resumed).text == "llo");
}

TEST_CASE("contract 1: response stream ends exactly once and ignores what comes later") {
  ResponseStream stream(1);
  int wakes = 0;
  stream.on_change([&] { ++wakes; });
  stream.accept(1, 0, "class", false);
  stream.finish(FinishReason::kLength, Usage{1, 0, 0}, {});
  stream.fail(Error{ErrorCode::kInternal, "late", "", 0});
  StreamToken more[] = {token(1)};
  stream.append(more, "late");
  stream.cancelled(CancelReason::kClientGone);
  ResponseStream::Cursor cursor;
  auto chunk = stream.read(cursor);
  REQUIRE(chunk.phase == StreamPhase::kFinished);
  REQUIRE(chunk.text.empty());
  REQUIRE(chunk.tokens.empty());
  REQUIRE(wakes == 2);
}

TEST_CASE("response stream is read while it is written, without loss or repetition") {
  ResponseStream stream(1);
  constexpr TokenId kTokens = 2000;
  std::atomic<int> wakes = 0;
  stream.on_change([&] { ++wakes; });
  std::thread writer([&] {
    stream.accept(1, 0, "class", false);
    for (TokenId id = 0; id < kTokens; ++id) {
      StreamToken one[] = {token(id)};
      stream.append(one, "x");
    }
    stream.finish(FinishReason::kStop, Usage{1, kTokens, 0}, {});
  });
  ResponseStream::Cursor cursor;
  TokenId next = 0;
  std::size_t text = 0;
  bool in_order = true;
  for (;;) {
    auto chunk = stream.read(cursor);
    for (const auto& t : chunk.tokens) in_order = in_order && t.id == next++;
    text += chunk.text.size();
    if (chunk.is_ended()) break;
    std::this_thread::yield();
  }
  writer.join();
  REQUIRE(in_order);
  REQUIRE(next == kTokens);
  REQUIRE(text == kTokens);
  REQUIRE(wakes == kTokens + 2);
}

TEST_CASE("response stream passes a cancel on until it has ended") {
  ResponseStream stream(1);
  int cancels = 0;
  stream.set_canceller([&](CancelReason) { ++cancels; });
  stream.cancel(CancelReason::kClientGone);
  stream.cancelled(CancelReason::kClientGone);
  stream.cancel(CancelReason::kClientGone);
  REQUIRE(cancels == 1);
}
