// R005: /admin/v1, without a socket: who may, what is asked for, what is answered.
#include "net/http/admin.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "net/http/exchange.hpp"
#include "net/schema/admin_request.hpp"
#include "test/net/scripted_service.hpp"

using namespace troupe;
using namespace troupe::test;
namespace json = boost::json;

namespace {

const std::string kKey = "an-operator's-long-key";

class ScriptedAdmin final : public AdminService {
 public:
  void set_draining(bool on) override { said.push_back(on ? "drain" : "undrain"); }
  void shed(std::int32_t below, Done<std::uint32_t> done) override {
    said.push_back("shed " + std::to_string(below));
    done(std::uint32_t{3});
  }
  void cancel_tenant(std::string tenant, Done<std::uint32_t> done) override {
    said.push_back("cancel " + tenant);
    done(std::uint32_t{1});
  }
  void clamp(std::optional<std::uint32_t> max) override {
    said.push_back("clamp " + (max ? std::to_string(*max) : "none"));
  }
  Status switch_caches(CacheSwitches switches) override {
    if (switches.prefix_cache) return Error{ErrorCode::kInvalidRequest, "kv.prefix_cache is false", "", 0};
    caches_now = switches;
    return {};
  }
  CacheSwitches caches() const override { return caches_now; }
  void state(Done<ServiceState> done) override {
    ServiceState state;
    state.requests_live = 2;
    LiveRequestState request;
    request.request_id = "\"quoted\"";
    request.stage = Stage::kDecode;
    state.requests.push_back(request);
    done(state);
  }
  void trim(Done<TrimReport> done) override { done(Error{ErrorCode::kNotReady, "a stage is gone", "", 1}); }

  std::vector<std::string> said;
  CacheSwitches caches_now{true, false};
};

struct Bench {
  explicit Bench(std::string key = kKey, std::vector<std::string> api_keys = {})
      : context(options(std::move(key), std::move(api_keys)), service, catalog, &metrics) {}

  HttpOptions options(std::string key, std::vector<std::string> api_keys) {
    HttpOptions made;
    made.api_keys = std::move(api_keys);
    made.admin = {std::move(key), &admin,
                  [this](bool dry_run, const auto& done) {
                    admin.said.push_back(dry_run ? "plan" : "reload");
                    done(std::string("{\"changes\":[]}"));
                  },
                  [this](std::uint32_t steps, const auto& done) {
                    admin.said.push_back("profile " + std::to_string(steps));
                    if (steps == 7) return done(Error{ErrorCode::kRateLimited, "a profile ended a moment ago", "", 4});
                    done(std::string("{\"table\":[]}"));
                  }};
    return made;
  }
  Answer ask(const std::string& method, const std::string& verb, const std::string& body,
             const std::string& authorization = "Bearer " + kKey) {
    RequestHead head;
    head.method = method;
    head.target = "/admin/v1/" + verb;
    head.fields = {{"Host", "localhost"}, {"Authorization", authorization}};
    Exchange exchange(context, std::move(head), SteadyTime{}, [] {});
    if (exchange.on_head() == Exchange::Next::kReadBody) exchange.on_body(body);
    REQUIRE(exchange.poll() == Exchange::State::kAnswer);
    return exchange.take_answer();
  }
  Answer post(const std::string& verb, const std::string& body) { return ask("POST", verb, body); }

  ScriptedAdmin admin;
  ModelCatalog catalog = tiny_catalog();
  ScriptedService service;
  Metrics metrics;
  HttpContext context;
};

bool has_header(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (equals_ignoring_case(key, name)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("R005: without server.admin_key there is nothing at /admin") {
  Bench bench("");
  for (const char* verb : {"state", "drain", "shed", "trim", "reload"}) {
    CHECK(bench.ask("GET", verb, "").status == 404);
    CHECK(bench.post(verb, "").status == 404);
    CHECK(bench.ask("POST", verb, "", "Bearer ").status == 404);
  }
  CHECK(bench.admin.said.empty());
}

TEST_CASE("R005: only the operator's key opens /admin, and it opens nothing else") {
  Bench bench(kKey, {"a-client's-key"});
  for (const char* wrong : {"", "Bearer", "Bearer a-client's-key", "Bearer an-operator's-long-kez", "Basic abc"}) {
    CAPTURE(wrong);
    Answer answer = bench.ask("POST", "drain", "", wrong);
    CHECK(answer.status == 401);
    CHECK(answer.body.find(kKey) == std::string::npos);
  }
  CHECK(bench.admin.said.empty());
  CHECK(bench.post("drain", "").status == 200);
  RequestHead head;
  head.method = "GET";
  head.target = "/v1/models";
  head.fields = {{"Host", "localhost"}, {"Authorization", "Bearer " + kKey}};
  Exchange exchange(bench.context, std::move(head), SteadyTime{}, [] {});
  CHECK(exchange.on_head() == Exchange::Next::kAnswer);
  CHECK(exchange.take_answer().status == 401);
}

TEST_CASE("R005: each verb does what it says and says what it did") {
  Bench bench;
  CHECK(bench.post("drain", "").body == R"({"draining":true})");
  CHECK(bench.post("undrain", "{}").body == R"({"draining":false})");
  CHECK(bench.post("shed", R"({"below_priority":-5})").body == R"({"cancelled":3})");
  CHECK(bench.post("cancel_tenant", R"({"tenant":"0123456789ab"})").body == R"({"cancelled":1})");
  CHECK(bench.post("cancel_tenant", R"({"tenant":"anonymous"})").status == 200);
  CHECK(bench.post("cancel_tenant", R"({"tenant":"search"})").status == 200);
  CHECK(bench.post("clamp", R"({"max_tokens":64})").body == R"({"max_tokens":64})");
  CHECK(bench.post("clamp", R"({"max_tokens":null})").body == R"({"max_tokens":null})");
  CHECK(bench.post("reload", R"({"dry_run":true})").body == R"({"changes":[]})");
  CHECK(bench.post("reload", "").status == 200);
  CHECK(bench.post("profile", R"({"steps":50})").body == R"({"table":[]})");
  CHECK(bench.post("profile", "").status == 200);
  CHECK(bench.post("profile", R"({"steps":7})").status == 429);
  CHECK(bench.post("profile", R"({"steps":201})").status == 400);
  CHECK(bench.admin.said == std::vector<std::string>{"drain", "undrain", "shed -5", "cancel 0123456789ab",
                                                     "cancel anonymous", "cancel search", "clamp 64", "clamp none",
                                                     "plan", "reload", "profile 50", "profile 20", "profile 7"});
  CHECK(bench.post("cache", R"({"result_cache":false})").body == R"({"result_cache":false,"prefix_cache":false})");
  CHECK_FALSE(bench.admin.caches_now.result_cache);
  CHECK(bench.post("cache", R"({"prefix_cache":true})").status == 400);
  CHECK(bench.post("trim", "").status == 503);
}

TEST_CASE("R005: the state is JSON with the batcher's figures and the requests") {
  Bench bench;
  bench.metrics.queue_requests.set(4);
  Answer answer = bench.ask("GET", "state", "");
  CHECK(answer.status == 200);
  CHECK_FALSE(has_header(answer, "Access-Control-Allow-Origin"));
  json::value state = json::parse(answer.body);
  CHECK(state.at("requests_live") == 2);
  CHECK(state.at("queue").at("requests").to_number<double>() == 4);
  CHECK(state.at("max_tokens").is_null());
  CHECK(state.at("requests").at(0).at("request_id") == "\"quoted\"");
  CHECK(state.at("requests").at(0).at("stage") == "decode");
  CHECK(bench.metrics.http_requests.value(HttpRoute::kAdmin, HttpStatus::k200) == 1);
}

TEST_CASE("R005: a body with a typo, a wrong type or a value out of range changes nothing") {
  Bench bench;
  const std::pair<const char*, const char*> wrong[] = {
      {"drain", R"({"now":true})"},
      {"drain", "{"},
      {"shed", ""},
      {"shed", R"({"below_priority":"5"})"},
      {"shed", R"({"below_priority":1e12})"},
      {"shed", R"({"below":5})"},
      {"cancel_tenant", R"({"tenant":""})"},
      {"cancel_tenant", R"({"tenant":"0123"})"},
      {"cancel_tenant", R"({"tenant":"not in hex at all"})"},
      {"clamp", "{}"},
      {"clamp", R"({"max_tokens":0})"},
      {"clamp", R"({"max_tokens":4294967296})"},
      {"cache", "{}"},
      {"cache", R"({"result_cache":"off"})"},
      {"trim", R"([1])"},
      {"reload", R"({"partial":true})"},
  };
  for (const auto& [verb, body] : wrong) {
    CAPTURE(verb, body);
    CHECK(bench.post(verb, body).status == 400);
  }
  CHECK(bench.admin.said.empty());
  CHECK(bench.ask("GET", "drain", "").status == 405);
  CHECK(bench.ask("POST", "state", "").status == 405);
  CHECK(bench.post("nonsense", "").status == 404);
}

TEST_CASE("access log: requests that never became a sequence are reported with their status") {
  struct Records final : AccessLog {
    void ended(AccessRecord record) override { records.push_back(std::move(record)); }
    std::vector<AccessRecord> records;
  } log;
  HttpOptions options;
  options.access_log = &log;
  ModelCatalog catalog = tiny_catalog();
  ScriptedService service(answer_ok);
  HttpContext context(options, service, catalog, nullptr);
  auto ask = [&](const std::string& body) {
    RequestHead head;
    head.method = "POST";
    head.target = "/v1/completions";
    head.fields = {{"Host", "localhost"}, {"X-Request-Id", "mine"}};
    Exchange exchange(context, std::move(head), SteadyTime{}, [] {});
    REQUIRE(exchange.on_head() == Exchange::Next::kReadBody);
    exchange.on_body(body);
    REQUIRE(exchange.poll() == Exchange::State::kAnswer);
    return exchange.take_answer().status;
  };
  CHECK(ask("{not json") == 400);
  REQUIRE(log.records.size() == 1);
  CHECK(log.records[0].request_id == "mine");
  CHECK(std::string(log.records[0].route) == "/v1/completions");
  CHECK(std::string(log.records[0].outcome) == "refused");
  CHECK(std::string(log.records[0].reason) == "invalid_request");
  CHECK(log.records[0].status == 400);
  CHECK(log.records[0].stages[Stage::kReceive] == log.records[0].total);
  CHECK(ask(R"({"prompt":"hi"})") == 200);  // the service reports that one
  CHECK(log.records.size() == 1);
  CHECK(service.request(0).route == std::string("/v1/completions"));
}
