#include "net/metrics_endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <thread>

#include "runtime/metric_aliases.hpp"

namespace troupe {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

prometheus::MetricType type_of(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

// Our table in the library's words, made anew for every scrape.
class Rendered : public prometheus::Collectable {
 public:
  Rendered(const Metrics& metrics, const MetricsEndpointOptions& options)
      : metrics_(metrics), aliases_(metrics, options.aliases), labels_(options.labels) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    std::vector<prometheus::MetricFamily> families;
    auto add = [&](const MetricFamily& family, const std::vector<MetricSample>& samples) {
      prometheus::MetricFamily out;
      out.name = family.name();
      out.help = family.help();
      out.type = type_of(family.type());
      for (const MetricSample& sample : samples) out.metric.push_back(series(family, sample));
      if (!out.metric.empty()) families.push_back(std::move(out));
    };
    metrics_.collect(add);
    for (const MetricFamily* alias : aliases_.families()) add(*alias, alias->samples());
    return families;
  }

 private:
  prometheus::ClientMetric series(const MetricFamily& family, const MetricSample& sample) const {
    prometheus::ClientMetric out;
    for (const auto& [name, value] : sample.labels) out.label.push_back({name, value});
    for (const auto& [name, value] : labels_) {
      bool taken = std::any_of(sample.labels.begin(), sample.labels.end(),
                               [&, key = std::string_view(name)](const auto& label) { return label.first == key; });
      if (!taken) out.label.push_back({name, value});
    }
    switch (family.type()) {
      case MetricType::kCounter:
        out.counter.value = sample.value;
        break;
      case MetricType::kGauge:
        out.gauge.value = sample.value;
        break;
      case MetricType::kHistogram: {
        auto bounds = family.bounds();
        for (std::size_t i = 0; i < sample.cumulative.size(); ++i) {
          double bound = i < bounds.size() ? bounds[i] : std::numeric_limits<double>::infinity();
          out.histogram.bucket.push_back({sample.cumulative[i], bound});
        }
        out.histogram.sample_count = sample.cumulative.back();
        out.histogram.sample_sum = sample.sum;
        break;
      }
    }
    return out;
  }

  const Metrics& metrics_;
  const MetricAliases aliases_;
  const Labels labels_;
};

// "127.0.0.1:9090" or "[::1]:9090"; empty when the address is neither. Only numbers: no name is looked up.
std::string listening_port(const std::string& address, std::uint16_t port) {
  unsigned char bytes[sizeof(in6_addr)];
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) return address + ":" + std::to_string(port);
  if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) return "[" + address + "]:" + std::to_string(port);
  return {};
}

// Connects and hangs up, without waiting for either.
void knock(const std::string& address, std::uint16_t port) {
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  bool is_v4 = inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) != 1) return;
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(port);
  int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  // It may fail: the one that is knocked at is on its way out.
  if (is_v4)
    static_cast<void>(connect(fd, reinterpret_cast<const sockaddr*>(&v4), sizeof v4));
  else
    static_cast<void>(connect(fd, reinterpret_cast<const sockaddr*>(&v6), sizeof v6));
  close(fd);
}

Error cannot_listen(const MetricsEndpointOptions& options, const std::string& why) {
  return {ErrorCode::kConfiguration,
          "cannot serve metrics at " + options.address + ":" + std::to_string(options.port) + ": " + why, "", 0};
}

}  // namespace

struct MetricsEndpoint::State {
  std::shared_ptr<Rendered> rendered;
  std::unique_ptr<prometheus::Exposer> exposer;
  std::string address;
  std::uint16_t port = 0;
};

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<State> state) : state_(std::move(state)) {}

// The exposer's listening thread looks every 2 s whether it should end, and after each connection: so it gets some.
MetricsEndpoint::~MetricsEndpoint() {
  std::atomic<bool> ended = false;
  std::thread knocking([&] {
    while (!ended) {
      knock(state_->address, state_->port);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  state_->exposer.reset();
  ended = true;
  knocking.join();
}

std::uint16_t MetricsEndpoint::port() const { return state_->port; }

Result<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::start(const Metrics& metrics,
                                                                const MetricsEndpointOptions& options) {
  const std::string address = options.address == "localhost" ? "127.0.0.1" : options.address;
  const std::string listen = listening_port(address, options.port);
  if (listen.empty()) return cannot_listen(options, "this is no IPv4 or IPv6 address");
  auto state = std::make_unique<State>();
  state->address = address;
  state->rendered = std::make_shared<Rendered>(metrics, options);
  try {
    // A client that sends or reads slowly gives its thread back after 5 s.
    state->exposer = std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", listen, "num_threads", std::to_string(std::clamp(options.threads, 1U, 16U)),
        "request_timeout_ms", "5000", "enable_keep_alive", "no"});
    state->exposer->RegisterCollectable(state->rendered);
    std::vector<int> ports = state->exposer->GetListeningPorts();
    if (ports.empty()) return cannot_listen(options, "the port cannot be listened on");
    state->port = static_cast<std::uint16_t>(ports.front());
  } catch (const std::exception&) {
    return cannot_listen(options, "the port is in use or the address is not of this machine");
  }
  return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(state)));
}

}  // namespace troupe
