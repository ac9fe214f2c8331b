// The access log's lines and its file: escaping, renaming, a full disk, a full queue.
#include "net/access_log_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

AccessRecord record_of(std::string id) {
  AccessRecord record;
  record.at = std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'007));
  record.request_id = std::move(id);
  record.route = "/v1/completions";
  record.tenant = "anonymous";
  record.outcome = "finished";
  record.reason = "length";
  record.usage = {5, 20, 0};
  record.first_token = 12'345'678ns;
  record.total = 100ms;
  record.stages[Stage::kPrefill] = 40ms;
  record.stages[Stage::kDecode] = 60ms;
  return record;
}

struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("troupe-access-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

bool eventually(const std::function<bool()>& is_true) {
  for (int i = 0; i < 10'000; ++i) {
    if (is_true()) return true;
    std::this_thread::sleep_for(1ms);
  }
  return false;
}

}  // namespace

TEST_CASE("access log: a record is one line of JSON, whatever is in it") {
  std::string out = "before\n";
  append_access_line(out, record_of("a\n\"b\"\x01\xff"));
  append_access_line(out, record_of("c"));
  std::string line = out.substr(7, out.find('\n', 7) - 7);
  json::value value = json::parse(line);
  CHECK(value.at("time") == "2023-11-14T22:13:20.007Z");
  CHECK(value.at("request_id") == "a\n\"b\"\x01\xEF\xBF\xBD");
  CHECK(value.at("prompt_tokens") == 5);
  CHECK(value.at("completion_tokens") == 20);
  CHECK(value.at("ttft_ms").as_double() == Approx(12.345678));
  CHECK(value.at("total_ms").to_number<double>() == Approx(100));
  CHECK(value.at("stages_ms").as_object().size() == kStageCount);
  CHECK(value.at("stages_ms").at("decode").to_number<double>() == Approx(60));
  CHECK(value.as_object().if_contains("status") == nullptr);
  CHECK(std::count(out.begin(), out.end(), '\n') == 3);
}

TEST_CASE("access log: off until it is told where, and a renamed file is opened anew") {
  Folder folder;
  auto metrics = std::make_shared<Metrics>();
  auto path = folder.path / "access.log";
  {
    AccessLogFile log(metrics);
    log.ended(record_of("lost"));  // off: not even counted
    auto target = AccessLogFile::Target::open(path.string());
    REQUIRE(target.ok());
    log.use(std::move(*target));
    log.ended(record_of("first"));
    REQUIRE(eventually([&] { return metrics->access_log_lines.value() == 1; }));
    std::filesystem::rename(path, folder.path / "access.log.1");
    log.ended(record_of("second"));
    REQUIRE(eventually([&] { return metrics->access_log_lines.value() == 2; }));
    std::filesystem::remove(path);
    log.ended(record_of("third"));
  }  // writes what waits
  CHECK(lines_of(folder.path / "access.log.1").size() == 1);
  REQUIRE(lines_of(path).size() == 1);
  CHECK(json::parse(lines_of(path)[0]).at("request_id") == "third");
  CHECK(metrics->access_log_dropped.value() == 0);
}

TEST_CASE("access log: a path that cannot be opened is refused and named") {
  auto target = AccessLogFile::Target::open("/no/such/folder/access.log");
  REQUIRE_FALSE(target.ok());
  CHECK(target.error().code == ErrorCode::kConfiguration);
  CHECK(target.error().message.find("/no/such/folder/access.log") != std::string::npos);
}

TEST_CASE("access log: lines that a full disk does not take are counted, and nothing waits") {
  auto metrics = std::make_shared<Metrics>();
  AccessLogFile log(metrics);
  auto target = AccessLogFile::Target::open("/dev/full");
  REQUIRE(target.ok());
  log.use(std::move(*target));
  log.ended(record_of("x"));
  CHECK(eventually([&] { return metrics->access_log_dropped.value() == 1; }));
  CHECK(metrics->access_log_lines.value() == 0);
}

TEST_CASE("access log: whoever reports never waits for a reader that does not read, and all lines are accounted for") {
  Folder folder;
  std::string fifo = (folder.path / "fifo").string();
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  int reader = open(fifo.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  auto metrics = std::make_shared<Metrics>();
  constexpr std::uint64_t kRecords = 3 * AccessLogFile::kQueueMax;
  {
    AccessLogFile log(metrics);
    auto target = AccessLogFile::Target::open(fifo);
    REQUIRE(target.ok());
    log.use(std::move(*target));
    auto begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < kRecords; ++i) log.ended(record_of("x"));
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
  }
  close(reader);
  CHECK(metrics->access_log_dropped.value() > 0);
  CHECK(metrics->access_log_lines.value() + metrics->access_log_dropped.value() == kRecords);
}
