// D2: an answer outlives the actor that works on it.
#include <caf/exit_reason.hpp>
#include <caf/scheduled_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include "test/actors/random_load.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

ScriptedOptions small_runner() {
  ScriptedOptions options;
  options.info.blocks_total = 60;
  options.rule.end_every = 40;
  return options;
}

// Before the actor sees the message it has.
void kill(caf::scheduled_actor& actor) {
  actor.enqueue(nullptr, caf::make_message_id(caf::message_priority::high),
                caf::make_message(caf::exit_msg{actor.address(), caf::exit_reason::kill}), nullptr);
}

}  // namespace

TEST_CASE("D2, contract 8: an answer survives the death of its actor at any message, its stop string included") {
  auto answer_of = [](std::vector<std::string> stops, std::uint32_t die_at, bool& died) {
    std::mt19937 random(7);
    RandomLoad load(small_runner(), random);
    std::uint32_t messages = 0;
    load.before_message = [&](const std::string& to, caf::scheduled_actor& actor) {
      if (to == "request" && ++messages == die_at) kill(actor), died = true;
    };
    load.bench.start();
    Request request = load.bench.request("A stop string", 30);
    request.stop.stop = std::move(stops);
    load.submit(std::move(request), {});
    while (load.go_on()) {
    }
    auto ended = load.take_ended();
    REQUIRE(ended.size() == 1);
    check_nothing_left(load.bench);
    return all_of(*ended[0].live.stream);
  };
  bool died = false;
  std::string whole = answer_of({}, 0, died).text;
  REQUIRE(whole.size() > 20);
  std::string stop = whole.substr(12, 3);
  auto undisturbed = answer_of({stop}, 0, died);
  REQUIRE(undisturbed.finish == FinishReason::kStop);
  REQUIRE(undisturbed.text == whole.substr(0, whole.find(stop)));
  std::uint32_t deaths = 0;
  for (std::uint32_t at = 1;; ++at) {
    CAPTURE(at);
    died = false;
    auto chunk = answer_of({stop}, at, died);
    CHECK(chunk.phase == StreamPhase::kFinished);
    CHECK(chunk.finish == undisturbed.finish);
    CHECK(chunk.text == undisturbed.text);
    CHECK(tokens_of(chunk) == tokens_of(undisturbed));
    CHECK(chunk.usage.completion_tokens == undisturbed.usage.completion_tokens);
    if (!died) break;
    ++deaths;
  }
  CHECK(deaths > 12);
}

TEST_CASE("D2, D5: a client that leaves while its request changes actors is heard by the next one") {
  std::mt19937 random(7);
  RandomLoad load(small_runner(), random);
  std::uint32_t messages = 0;
  load.before_message = [&](const std::string& to, caf::scheduled_actor& actor) {
    if (to == "request" && ++messages == 6) kill(actor);
  };
  load.bench.start();
  load.submit(load.bench.request("A client that leaves", 30), {});
  while (messages < 6) REQUIRE(load.go_on());
  load.last().live.stream->cancel(CancelReason::kClientGone);
  while (load.go_on()) {
  }
  auto ended = load.take_ended();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].live.stream->phase() == StreamPhase::kCancelled);
  check_nothing_left(load.bench);
}

TEST_CASE("D2: the death of the supervisor is known, and the streams that live go on to their end") {
  std::mt19937 random(7);
  RandomLoad load(small_runner(), random);
  load.bench.start();
  for (int i = 0; i < 6; ++i) load.submit();
  for (int i = 0; i < 60; ++i) REQUIRE(load.go_on());
  REQUIRE(load.bench.env->status.live > 0);
  CHECK_FALSE(load.bench.env->status.has_lost_supervisor);
  caf::anon_send_exit(load.bench.supervisor, caf::exit_reason::kill);
  while (load.go_on()) {
  }
  CHECK(load.bench.env->status.has_lost_supervisor);
  for (const RandomLoad::One& one : load.take_ended()) {
    auto chunk = all_of(*one.live.stream);
    bool knew_its_wiring = chunk.phase != StreamPhase::kCancelled;
    if (knew_its_wiring) CHECK(is_whole(one));
  }
  CHECK(load.size() == 0);
}

TEST_CASE("D2, contract 8: a request that kills two actors is the cause, and ends with an error") {
  std::mt19937 random(7);
  RandomLoad load(small_runner(), random);
  std::uint32_t killed = 0;
  load.before_message = [&](const std::string& to, caf::scheduled_actor& actor) {
    if (to == "request") kill(actor), ++killed;
  };
  load.bench.start();
  load.submit();
  while (load.go_on()) {
  }
  CHECK(killed == 2);
  auto ended = load.take_ended();
  REQUIRE(ended.size() == 1);
  auto chunk = all_of(*ended[0].live.stream);
  CHECK(chunk.phase == StreamPhase::kFailed);
  CHECK(chunk.error.code == ErrorCode::kInternal);
  CHECK(chunk.error.message == "the request could not be completed");
  check_nothing_left(load.bench);
}
