#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>

#include "runtime/memory_result_store.hpp"
#include "runtime/result_key.hpp"

using namespace troupe;

namespace {

ResultKey key(int n) {
  ResultKey made{};
  made[31] = static_cast<std::uint8_t>(n);  // equal in their first bytes: only a whole comparison tells them apart
  made[30] = static_cast<std::uint8_t>(n >> 8);
  return made;
}

std::shared_ptr<const StoredResult> answer(std::size_t text_bytes) {
  auto made = std::make_shared<StoredResult>();
  made->text = std::string(text_bytes, 'x');
  return made;
}

Request example_request() {
  Request request;
  request.model = "m";
  request.sampling.temperature = 0.5F;
  request.sampling.seed = 1;
  request.sampling.logit_bias = {{1, 2.0F}};
  request.stop.stop = {"a", "b"};
  request.stop.stop_token_ids = {3, 4};
  return request;
}

const std::vector<TokenId> kPrompt = {1, 2, 3};

ResultKey key_of(const Request& request) { return result_key(request, kPrompt, "class"); }

}  // namespace

TEST_CASE("stored answer costs its text, tokens and alternatives") {
  StoredResult result;
  std::size_t empty = result.bytes();
  result.text = std::string(1000, 'x');
  result.tokens.resize(10);
  result.tokens[0].top.resize(5);
  REQUIRE(result.bytes() >= empty + 1000 - 15 + 10 * sizeof(StreamToken) + 5 * sizeof(TopToken));
}

TEST_CASE("memory result store gives back what it was given, and forgets the least recently used first") {
  auto bytes = answer(1000)->bytes() + MemoryResultStore::kEntryOverheadBytes;
  MemoryResultStore store(3 * bytes, bytes);
  auto first = answer(1000);
  store.store(key(1), first);
  store.store(key(2), answer(1000));
  store.store(key(3), answer(1000));
  REQUIRE(store.bytes_used() == 3 * bytes);
  REQUIRE(store.find(key(1)) == first);
  store.store(key(4), answer(1000));
  REQUIRE(store.find(key(2)) == nullptr);
  REQUIRE(store.find(key(1)) == first);
  REQUIRE(store.find(key(3)) != nullptr);
  REQUIRE(store.find(key(4)) != nullptr);
  REQUIRE(store.bytes_used() == 3 * bytes);
}

TEST_CASE("memory result store does not take an answer that is too big, nor none") {
  MemoryResultStore store(10000, 2000);
  store.store(key(1), answer(5000));
  store.store(key(2), nullptr);
  REQUIRE(store.size() == 0);
  REQUIRE(store.bytes_used() == 0);
  MemoryResultStore nothing(0, 2000);
  nothing.store(key(1), answer(1));
  REQUIRE(nothing.size() == 0);
}

TEST_CASE("memory result store replaces the answer under a key it has") {
  MemoryResultStore store(10000, 5000);
  store.store(key(1), answer(1000));
  auto second = answer(2000);
  store.store(key(1), second);
  REQUIRE(store.size() == 1);
  REQUIRE(store.find(key(1)) == second);
  REQUIRE(store.bytes_used() == second->bytes() + MemoryResultStore::kEntryOverheadBytes);
}

TEST_CASE("contract 4: memory result store never holds more bytes than it may") {
  std::mt19937 random(4);
  MemoryResultStore store(20000, 8000);
  std::map<int, std::shared_ptr<const StoredResult>> given;
  for (int i = 0; i < 20000; ++i) {
    int n = static_cast<int>(random() % 300);
    if (random() % 2 == 0) {
      store.store(key(n), given[n] = answer(random() % 10000));
      if (store.find(key(n)) == nullptr) given.erase(n);  // too big: the old one may still be there
    } else if (auto found = store.find(key(n)); found && given.contains(n)) {
      if (found->text.size() != given[n]->text.size()) FAIL("another answer than was stored last");
    }
    if (store.bytes_used() > 20000) FAIL("too many bytes");
  }
  SUCCEED();
}

TEST_CASE("result key changes with everything that decides the answer") {
  using Change = std::function<void(Request&)>;
  std::vector<Change> changes = {
      [](Request& r) { r.model = "n"; },
      [](Request& r) { r.tenant = "t"; },
      [](Request& r) { r.cache_salt = "t"; },
      [](Request& r) { r.choice = 1; },
      [](Request& r) { r.logprobs = 0; },
      [](Request& r) { r.logprobs = 1; },
      [](Request& r) { r.sampling.temperature = 0.25F; },
      [](Request& r) { r.sampling.top_k = 1; },
      [](Request& r) { r.sampling.top_p = 0.5F; },
      [](Request& r) { r.sampling.min_p = 0.5F; },
      [](Request& r) { r.sampling.typical_p = 0.5F; },
      [](Request& r) { r.sampling.repetition_penalty = 1.5F; },
      [](Request& r) { r.sampling.presence_penalty = 1.5F; },
      [](Request& r) { r.sampling.frequency_penalty = 1.5F; },
      [](Request& r) { r.sampling.logit_bias = {}; },
      [](Request& r) {
        r.sampling.logit_bias = {{2, 2.0F}};
      },
      [](Request& r) {
        r.sampling.logit_bias = {{1, 3.0F}};
      },
      [](Request& r) { r.sampling.seed = 2; },
      [](Request& r) { r.stop.max_tokens = 17; },
      [](Request& r) { r.pooling = Pooling::kMean; },
      [](Request& r) { r.pooling = Pooling::kLast; },
      [](Request& r) { r.stop.min_tokens = 1; },
      [](Request& r) { r.stop.ignore_eos = true; },
      [](Request& r) { r.stop.stop = {"ab"}; },
      [](Request& r) {
        r.stop.stop = {"a", "b", ""};
      },
      [](Request& r) { r.stop.stop_token_ids = {3}; },
      [](Request& r) {
        r.stop.stop_token_ids = {4, 3};
      },
  };
  std::set<ResultKey> keys = {key_of(example_request())};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Request request = example_request();
    changes[i](request);
    INFO("change " << i);
    REQUIRE(keys.insert(key_of(request)).second);
  }
  REQUIRE(keys.insert(result_key(example_request(), kPrompt, "other class")).second);
  for (std::vector<TokenId> prompt : {std::vector<TokenId>{}, {1, 2}, {1, 2, 4}, {1, 2, 3, 0}}) {
    REQUIRE(keys.insert(result_key(example_request(), prompt, "class")).second);
  }
}

TEST_CASE("result key does not change with what does not decide the answer") {
  ResultKey same = key_of(example_request());
  Request request = example_request();
  request.id = 9;
  request.external_id = "x";
  request.priority = 3;
  request.cache = CachePolicy::kNoStore;
  request.arrived = SteadyTime{std::chrono::seconds(5)};
  request.deadline = SteadyTime{std::chrono::seconds(6)};
  request.prompt = std::string("the text those tokens came from");
  REQUIRE(key_of(request) == same);
}

TEST_CASE("result key of a greedy request does not depend on the seed the service drew for it") {
  Request request = example_request();
  request.sampling.temperature = 0.0F;
  ResultKey same = key_of(request);
  request.sampling.seed = 77;
  REQUIRE(key_of(request) == same);
  request.sampling.seed.reset();
  REQUIRE(key_of(request) == same);
}

TEST_CASE("D13: a smaller budget forgets the oldest answers, 0 all of them and keeps none") {
  MemoryResultStore store(1 << 20, 1 << 18);
  auto result = std::make_shared<StoredResult>();
  result->text = std::string(1000, 'x');
  auto key = [](std::uint8_t n) {
    ResultKey made{};
    made[0] = n;
    return made;
  };
  for (std::uint8_t n = 0; n < 10; ++n) store.store(key(n), result);
  std::size_t one = store.bytes_used() / 10;
  store.set_bytes_max(3 * one, 3 * one);
  CHECK(store.size() == 3);
  CHECK(store.find(key(9)) != nullptr);
  CHECK(store.find(key(6)) == nullptr);
  store.set_bytes_max(0, 0);
  CHECK(store.size() == 0);
  store.store(key(1), result);
  CHECK(store.bytes_used() == 0);
  store.set_bytes_max(1 << 20, 1 << 18);
  store.store(key(1), result);
  CHECK(store.size() == 1);
  store.clear();
  CHECK(store.bytes_used() == 0);
}
