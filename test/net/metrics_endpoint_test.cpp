#include "net/metrics_endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <map>
#include <sstream>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

// One GET, everything the server says until it closes.
std::string get(std::uint16_t port, const std::string& path) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
      char bytes[4096];
      for (ssize_t n = 0; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        answer.append(bytes, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

// The exposition format, as far as it is used here: "name{labels} value" lines by what stands before the value.
struct Scrape {
  std::map<std::string, double> values;
  std::map<std::string, std::string> types;
  std::map<std::string, std::string> help;

  explicit Scrape(const std::string& answer) {
    std::istringstream lines(answer.substr(answer.find("\r\n\r\n") + 4));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      std::istringstream words(line);
      std::string hash, what, name, rest;
      if (line.rfind("# ", 0) == 0) {
        words >> hash >> what >> name;
        std::getline(words, rest);
        (what == "TYPE" ? types : help)[name] = rest.substr(1);
      } else if (auto space = line.rfind(' '); space != std::string::npos && line.find_first_of("{ ") != 0) {
        values[line.substr(0, space)] = std::stod(line.substr(space + 1));
      }
    }
  }
};

std::unique_ptr<MetricsEndpoint> start_somewhere(const Metrics& metrics, MetricsEndpointOptions options = {}) {
  options.port = 0;
  auto endpoint = MetricsEndpoint::start(metrics, options);
  REQUIRE(endpoint.ok());
  return std::move(endpoint).value();
}

}  // namespace

TEST_CASE("metrics endpoint refuses a port that is taken and an address that is none, saying which") {
  Metrics metrics;
  auto first = start_somewhere(metrics);
  MetricsEndpointOptions taken;
  taken.port = first->port();
  auto second = MetricsEndpoint::start(metrics, taken);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::kConfiguration);
  CHECK(second.error().message.find(std::to_string(first->port())) != std::string::npos);

  for (const char* address : {"", "example.org", "127.0.0.1:80", "1.2.3", "[::1]", "192.0.2.1"}) {
    MetricsEndpointOptions bad;
    bad.address = address;
    bad.port = 0;
    INFO(address);
    CHECK_FALSE(MetricsEndpoint::start(metrics, bad).ok());
  }
}

TEST_CASE("R030: a scrape shows what was observed") {
  Metrics metrics;
  metrics.describe({"0.1.0", "a \"model\"", "llama", "Q4_1", "class", "host", {}});
  auto endpoint = start_somewhere(metrics);
  REQUIRE(endpoint->port() != 0);

  metrics.request_received();
  metrics.request_accepted(7);
  metrics.tokens(3);
  metrics.first_token(30ms);
  RequestEnd end;
  end.duration = 2s;
  metrics.request_ended(end);
  metrics.kv_blocks.set(KvState::kFree, 11);

  std::string answer = get(endpoint->port(), "/metrics");
  CHECK(answer.rfind("HTTP/1.1 200", 0) == 0);
  CHECK(answer.find("text/plain") != std::string::npos);
  Scrape scrape(answer);
  CHECK(scrape.values.at("llm_requests_total{outcome=\"finished\"}") == 1);
  CHECK(scrape.values.at("llm_requests_total{outcome=\"failed\"}") == 0);
  CHECK(scrape.values.at("llm_tokens_generated_total") == 3);
  CHECK(scrape.values.at("llm_prompt_tokens_total") == 7);
  CHECK(scrape.values.at("llm_kv_blocks{state=\"free\"}") == 11);
  CHECK(scrape.values.at("llm_time_to_first_token_seconds_bucket{le=\"0.025\"}") == 0);
  CHECK(scrape.values.at("llm_time_to_first_token_seconds_bucket{le=\"0.04\"}") == 1);
  CHECK(scrape.values.at("llm_time_to_first_token_seconds_bucket{le=\"+Inf\"}") == 1);
  CHECK(scrape.values.at("llm_time_to_first_token_seconds_sum") == Approx(0.03));
  CHECK(scrape.values.at("llm_request_duration_seconds_count{outcome=\"finished\"}") == 1);
  CHECK(scrape.types.at("llm_request_duration_seconds") == "histogram");
  CHECK(scrape.types.at("llm_requests_total") == "counter");
  CHECK(scrape.types.at("process_resident_memory_bytes") == "gauge");
  CHECK(scrape.help.at("llm_tokens_generated_total") == "Output tokens, counted one by one as they come.");
  CHECK(scrape.types.count("llm_gpu_utilization_percent") == 0);
  CHECK(answer.find("model_name=\"a \\\"model\\\"\"") != std::string::npos);
}

TEST_CASE("R031: families stand in the same order in every scrape, sorted") {
  Metrics metrics;
  auto endpoint = start_somewhere(metrics);
  for (int i = 0; i < 2; ++i) {
    std::istringstream lines(get(endpoint->port(), "/metrics"));
    std::string previous;
    bool sorted = true;
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("# TYPE ", 0) != 0 || line.rfind("# TYPE exposer", 0) == 0) continue;
      std::string name = line.substr(7, line.find(' ', 7) - 7);
      sorted = sorted && previous < name;
      previous = name;
    }
    CHECK(sorted);
    CHECK(previous == "tokens_per_second");
  }
}

TEST_CASE("R035: labels of the whole server stand on every series and never replace a family's own") {
  Metrics metrics;
  MetricsEndpointOptions options;
  options.labels = {{"pod", "troupe-0"}, {"outcome", "mine"}};
  auto endpoint = start_somewhere(metrics, options);
  Scrape scrape(get(endpoint->port(), "/metrics"));
  CHECK(scrape.values.count("llm_requests_total{outcome=\"finished\",pod=\"troupe-0\"}") == 1);
  CHECK(scrape.values.count("llm_queue_requests{pod=\"troupe-0\",outcome=\"mine\"}") == 1);
}

TEST_CASE("metrics endpoint answers other paths with 404 and goes on after garbage") {
  Metrics metrics;
  auto endpoint = start_somewhere(metrics);
  CHECK(get(endpoint->port(), "/").rfind("HTTP/1.1 404", 0) == 0);
  CHECK(get(endpoint->port(), "/metrics\r\n\r\n\x01\x02").size() > 0);
  CHECK(get(endpoint->port(), "/metrics").rfind("HTTP/1.1 200", 0) == 0);
}
