#include "conf/load.hpp"

#include <unistd.h>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>

#include "conf/chat_template_source.hpp"

using namespace troupe;

namespace {

// A TOML file that is gone when the test ends.
class TomlFile {
 public:
  explicit TomlFile(const std::string& text)
      : path_("/tmp/troupe_conf_" + std::to_string(::getpid()) + "_" + std::to_string(made++) + ".toml") {
    std::ofstream(path_) << text;
  }
  ~TomlFile() { std::remove(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  static inline int made = 0;
  std::string path_;
};

std::string error_of(const std::string& toml) {
  TomlFile file(toml);
  auto loaded = load_settings({file.path(), {}, {}});
  return loaded ? "" : loaded.error().message;
}

}  // namespace

TEST_CASE("R240 an unknown key is an error that names the nearest known one and the line") {
  std::string error = error_of("[server]\nhost = \"127.0.0.1\"\nprot = 1\n");
  REQUIRE(error.find(".toml:3") != std::string::npos);
  REQUIRE(error.find("server.prot") != std::string::npos);
  REQUIRE(error.find("\"server.port\"") != std::string::npos);
  REQUIRE(error_of("[sevrer]\nport = 1\n").find("\"server.port\"") != std::string::npos);
  REQUIRE(error_of("port = 1\n").find("unknown setting \"port\"") != std::string::npos);
}

TEST_CASE("R240 broken TOML, wrong types and values out of range are errors with the place") {
  REQUIRE(error_of("[server\nport = 1\n").find(".toml:1") != std::string::npos);
  REQUIRE(error_of("[server]\nport = \"http\"\n").find("server.port must be a whole number") != std::string::npos);
  REQUIRE(error_of("[server]\nport = 65536\n").find("0 to 65535") != std::string::npos);
  REQUIRE(error_of("[server]\nport = -1\n").find("server.port is -1") != std::string::npos);
  REQUIRE(error_of("[server]\nport = 80.5\n").find("server.port must be") != std::string::npos);
  REQUIRE(error_of("[server]\ninsecure = 1\n").find("true or false") != std::string::npos);
  REQUIRE(error_of("[server]\napi_keys = [1, 2]\n").find("list of strings") != std::string::npos);
  REQUIRE(error_of("[kv]\nmemory = \"8 gigs\"\n").find("8 gigs") != std::string::npos);
  REQUIRE(error_of("[server.port]\nx = 1\n").find("server.port must be") != std::string::npos);
}

TEST_CASE("R240 targets are numbers with or without a point, batching has two modes") {
  TomlFile file("[slo]\nttft_ms = 400\nttft_ms_per_token = 0.25\nitl_ms = 50\n[batching]\nmode = \"fixed\"\n");
  auto loaded = load_settings({file.path(), {}, {}});
  REQUIRE(loaded.ok());
  CHECK(loaded->settings.slo_ttft_ms == 400);
  CHECK(loaded->settings.slo_ttft_ms_per_token == 0.25);
  CHECK(loaded->settings.batching_mode == "fixed");
  CHECK(print_settings(*loaded).find("ttft_ms_per_token = 0.25") != std::string::npos);
  CHECK(error_of("[slo]\nttft_ms_per_token = 2\n").empty());
  CHECK(error_of("[slo]\nttft_ms_per_token = -0.5\n").find("0 to 10000 ms") != std::string::npos);
  CHECK(error_of("[slo]\nttft_ms_per_token = nan\n").find("0 to 10000 ms") != std::string::npos);
  CHECK(error_of("[slo]\nttft_ms_per_token = \"fast\"\n").find("must be a number") != std::string::npos);
  CHECK(error_of("[batching]\nmode = \"manual\"\n").find("auto or fixed") != std::string::npos);
}

TEST_CASE("R240 the file loses to the environment and the environment to a flag") {
  TomlFile file("[server]\nport = 1\nhead_timeout_ms = 11\n[kv]\nmemory = \"8Gi\"\n[batching]\nqueue_max = 7\n");
  auto loaded = load_settings({file.path(),
                               {{"TROUPE_SERVER_PORT", "2"}, {"TROUPE_BATCHING_QUEUE_MAX", "8"}, {"PATH", "/bin"}},
                               {{"server.port", "3"}}});
  REQUIRE(loaded.ok());
  const Settings& settings = loaded->settings;
  REQUIRE(settings.port == 3);
  REQUIRE(settings.queue_max == 8);
  REQUIRE(settings.head_timeout_ms == 11);
  REQUIRE(settings.kv_memory.value == 8ULL << 30);
  REQUIRE(settings.sequences_max == 32);
  REQUIRE(loaded->origin.at("server.port") == "flag");
  REQUIRE(loaded->origin.at("batching.queue_max") == "environment");
  REQUIRE(loaded->origin.at("kv.memory") == "file");
  REQUIRE(loaded->origin.count("batching.sequences_max") == 0);
}

TEST_CASE("R240 a misspelt variable of ours is an error, others' variables are theirs") {
  auto wrong = load_settings({std::nullopt, {{"TROUPE_SERVER_PROT", "1"}}, {}});
  REQUIRE_FALSE(wrong.ok());
  REQUIRE(wrong.error().message.find("TROUPE_SERVER_PORT") != std::string::npos);
  REQUIRE(load_settings({std::nullopt, {{"TROUPER", "1"}, {"TROUPE_ISA", "avx2"}}, {}}).ok());
  REQUIRE_FALSE(load_settings({std::nullopt, {{"TROUPE_SERVER_PORT", "1x"}}, {}}).ok());
}

TEST_CASE("listening beyond this machine needs keys or an explicit word") {
  auto open = load_settings({std::nullopt, {}, {{"server.host", "0.0.0.0"}}});
  REQUIRE_FALSE(open.ok());
  REQUIRE(open.error().message.find("insecure") != std::string::npos);
  REQUIRE(load_settings({std::nullopt, {}, {{"server.host", "0.0.0.0"}, {"server.insecure", "true"}}}).ok());
  REQUIRE(load_settings({std::nullopt, {}, {{"server.host", "0.0.0.0"}, {"server.api_keys", "long-enough-key"}}}).ok());
  REQUIRE_FALSE(load_settings({std::nullopt, {}, {{"server.api_keys", "short"}}}).ok());
}

TEST_CASE("R240 what check prints is a file that loads to the same settings") {
  auto first =
      load_settings({std::nullopt,
                     {},
                     {{"server.port", "1234"}, {"kv.memory", "3Gi"}, {"model.aliases", "a,b"}, {"log.json", "true"}}});
  REQUIRE(first.ok());
  TomlFile file(print_settings(*first));
  auto second = load_settings({file.path(), {}, {}});
  REQUIRE(second.ok());
  for (const Knob& knob : kKnobs) REQUIRE(value_text(knob, second->settings) == value_text(knob, first->settings));
}

TEST_CASE(
    "R240 a chat template in the file, of many lines and with quotes, is printed as TOML that loads to the same") {
  TomlFile file(
      "[model]\nchat_template = \"\"\"\n{% for m in messages %}\n\t{{ \"<\" + m.role + '\\\\' }}\\u0001\n{% endfor "
      "%}\"\"\"\n");
  auto loaded = load_settings({file.path(), {}, {}});
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.ok());
  const std::string expected = "{% for m in messages %}\n\t{{ \"<\" + m.role + '\\' }}\x01\n{% endfor %}";
  CHECK(loaded->settings.chat_template == expected);
  TomlFile printed(print_settings(*loaded));
  auto again = load_settings({printed.path(), {}, {}});
  INFO((again ? std::string() : again.error().message));
  REQUIRE(again.ok());
  CHECK(again->settings.chat_template == expected);
}

TEST_CASE("a chat template setting is the text itself or names a file") {
  CHECK(*chat_template_source("{{ messages[0].content }}") == "{{ messages[0].content }}");
  CHECK(*chat_template_source("{# none #}") == "{# none #}");
  TomlFile file("{{ bos_token }}\n");
  CHECK(*chat_template_source(file.path()) == "{{ bos_token }}\n");
}

TEST_CASE("a chat template file that cannot be read is refused with the setting, the file and why") {
  TomlFile empty("");
  CHECK(chat_template_source(empty.path()).error().message.find("it is empty") != std::string::npos);
  TomlFile huge(std::string(kChatTemplateBytesMax + 1, 'a'));
  for (auto [value, why] : {std::pair<std::string, const char*>("/nowhere/chat.jinja", "No such file"),
                            {"/", "not a regular file"},
                            {"/dev/zero", "not a regular file"}}) {
    auto source = chat_template_source(value);
    REQUIRE_FALSE(source.ok());
    INFO(source.error().message);
    CHECK(source.error().code == ErrorCode::kConfiguration);
    CHECK(source.error().message.find("model.chat_template") == 0);
    CHECK(source.error().message.find("\"" + value + "\"") != std::string::npos);
    CHECK(source.error().message.find(why) != std::string::npos);
  }
  CHECK(chat_template_source(huge.path()).error().message.find("at most 1 MiB") != std::string::npos);
}

TEST_CASE("keys are not printed") {
  auto loaded = load_settings({std::nullopt, {}, {{"server.api_keys", "very-secret-key"}}});
  REQUIRE(loaded.ok());
  REQUIRE(print_settings(*loaded).find("very-secret") == std::string::npos);
}

TEST_CASE("R240 every knob has a unit, a reason, its own path and its own variable") {
  std::set<std::string> paths, variables;
  for (const Knob& knob : kKnobs) {
    REQUIRE(std::string(knob.unit).size() > 1);
    REQUIRE(std::string(knob.why).size() > 10);
    REQUIRE(paths.insert(knob.path).second);
    REQUIRE(variables.insert(environment_name(knob)).second);
    REQUIRE(find_knob(knob.path) == &knob);
  }
}

TEST_CASE("D17: a memory limit too small for one request of body_max is refused with the value and what is needed") {
  auto load = [](const char* limit) {
    ConfigSources sources;
    sources.flags = {{"server.body_max", "1Mi"}, {"memory.limit", limit}};
    return load_settings(sources);
  };
  // (4 x 1 MiB for the request + 8 MiB beside it) / 80 %, as docs/operations.md says.
  CHECK(load("15Mi").ok());
  CHECK(load("0").ok());
  auto refused = load("14Mi");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kConfiguration);
  for (const char* part : {"memory.limit", "14Mi", "15Mi", "server.body_max", "1Mi"}) {
    INFO(refused.error().message);
    CHECK(refused.error().message.find(part) != std::string::npos);
  }
}
