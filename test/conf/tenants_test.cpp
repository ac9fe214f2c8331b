// D8: the [[tenant]] tables of a configuration file.
#include "conf/tenants.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "conf/load.hpp"
#include "conf/reload.hpp"

using namespace troupe;

namespace {

class TomlFile {
 public:
  explicit TomlFile(const std::string& text) : path_("/tmp/troupe_tenants_" + std::to_string(::getpid()) + ".toml") {
    write(text);
  }
  ~TomlFile() { std::remove(path_.c_str()); }
  void write(const std::string& text) const { std::ofstream(path_) << text; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Result<LoadedSettings> load(const std::string& toml) {
  TomlFile file(toml);
  return load_settings({file.path(), {}, {}});
}

std::string error_of(const std::string& toml) {
  auto loaded = load(toml);
  return loaded ? "" : loaded.error().message;
}

std::string tenant(const std::string& name, const std::string& rest = "api_keys = []") {
  return "[[tenant]]\nname = \"" + name + "\"\n" + rest + "\n";
}

// What a message must say: the line and some words.
struct Wrong {
  std::string toml;
  std::vector<const char*> words;
};

}  // namespace

TEST_CASE("D8: tenants are read in their order, with defaults for what is left out") {
  auto loaded = load(
      "[server]\napi_keys = [\"plain-key-1\"]\n[[tenant]]\nname = \"search\"\napi_keys = [\"sk-search-1\", "
      "\"sk-search-2\"]\nweight = 2.5\nrequests_max = 64\ntokens_per_minute = 90000\npriority_max = -1\n\n"
      "[[tenant]]\nname = \"batch\"\napi_keys = [\"sk-batch-1\"]\nweight = 1\n[model]\nname = \"m\"\n");
  REQUIRE(loaded.ok());
  const auto& tenants = loaded->settings.tenants;
  REQUIRE(tenants.size() == 2);
  CHECK(tenants[0].rule.name == "search");
  CHECK(tenants[0].api_keys == TextList{"sk-search-1", "sk-search-2"});
  CHECK(tenants[0].rule.weight == 2.5);
  CHECK(tenants[0].rule.requests_max == 64);
  CHECK(tenants[0].rule.tokens_per_minute == 90'000);
  CHECK(tenants[0].rule.priority_max == -1);
  CHECK(tenants[1].rule.name == "batch");
  CHECK(tenants[1].rule.weight == 1);
  CHECK(tenants[1].rule.requests_max == 0);
  CHECK(tenants[1].rule.tokens_per_minute == 0);
  CHECK(tenants[1].rule.priority_max == 2'147'483'647);
  CHECK(loaded->settings.model_name == "m");
  CHECK(load("[server]\nport = 1\n")->settings.tenants.empty());
}

TEST_CASE("D8: what is wrong with a tenant is said with its line, its value and the limit") {
  std::string seventeen;
  for (int i = 0; i < 17; ++i) seventeen += tenant("t" + std::to_string(i));
  const Wrong wrong[] = {
      {"[[tenant]]\n", {".toml:1", "no name"}},
      {"\n[[tenant]]\nname = \"a\"\n", {".toml:2", "\"a\" has no api_keys"}},
      {tenant("a b"), {".toml:2", "\"a b\"", "1 to 32 letters"}},
      {tenant("anonymous"), {".toml:2", "\"anonymous\""}},
      {tenant("deadbeef01"), {".toml:2", "digest"}},
      {"[[tenant]]\nname = 7\napi_keys = []\n", {".toml:2", "tenant.name must be a string"}},
      {tenant("a") + tenant("a"), {".toml:4", "two tenants named \"a\""}},
      {tenant("a", "api_keys = [\"same-key-1\"]") + tenant("b", "api_keys = [\"same-key-1\"]"),
       {".toml:4", "\"b\" has an API key that tenant \"a\" has"}},
      {tenant("a", "api_keys = [\"same-key-1\", \"same-key-1\"]"), {".toml:1", "\"a\" has an API key"}},
      {"[server]\napi_keys = [\"same-key-1\"]\n" + tenant("a", "api_keys = [\"same-key-1\"]"),
       {"\"a\" has an API key that server.api_keys has"}},
      {tenant("a", "api_keys = [\"short\"]"), {"\"a\" has an API key of 5 characters", "at least 8"}},
      {tenant("a", "api_keys = \"not-a-list\""), {".toml:3", "list of strings"}},
      {tenant("a", "api_keys = []\nwieght = 1"), {".toml:4", "tenant.wieght", "\"tenant.weight\""}},
      {tenant("a", "api_keys = []\n[tenant.limits]\nx = 1"), {"unknown setting \"tenant.limits\""}},
      {tenant("a", "api_keys = []\nweight = 0"), {".toml:4", "tenant.weight is 0", "0.001 to 1000"}},
      {tenant("a", "api_keys = []\nweight = -1.5"), {".toml:4", "tenant.weight is -1.5"}},
      {tenant("a", "api_keys = []\nweight = nan"), {".toml:4", "tenant.weight is nan"}},
      {tenant("a", "api_keys = []\nweight = 1001"), {"tenant.weight is 1001"}},
      {tenant("a", "api_keys = []\nweight = \"2\""), {"tenant.weight must be a number"}},
      {tenant("a", "api_keys = []\nrequests_max = -1"), {".toml:4", "requests_max is -1", "0 to 1000000"}},
      {tenant("a", "api_keys = []\nrequests_max = 1.5"), {"requests_max must be a whole number"}},
      {tenant("a", "api_keys = []\ntokens_per_minute = 4294967296"), {"is 4294967296", "0 to 4294967295"}},
      {tenant("a", "api_keys = []\npriority_max = 2147483648"), {"priority_max is 2147483648", "to 2147483647"}},
      {seventeen, {".toml:49", "more than 16 tenants"}},
      {"[[server]]\nport = 1\n", {".toml:1", "[[server]]", "only [[tenant]]"}},
      {"[tenant]\nname = \"a\"\n", {".toml:2", "unknown setting \"tenant.name\""}},
  };
  for (const Wrong& one : wrong) {
    std::string error = error_of(one.toml);
    INFO(one.toml << "\n-> " << error);
    for (const char* word : one.words) CHECK(error.find(word) != std::string::npos);
    CHECK(error.find("same-key") == std::string::npos);
  }
}

TEST_CASE("D8: what check prints loads again, without the keys") {
  auto first = load(tenant("a", "api_keys = [\"very-secret-key\"]\nweight = 0.25\nrequests_max = 3") +
                    tenant("b", "api_keys = []\ntokens_per_minute = 7\npriority_max = 0"));
  REQUIRE(first.ok());
  std::string text = print_settings(*first);
  CHECK(text.find("very-secret") == std::string::npos);
  CHECK(text.find("1 keys") != std::string::npos);
  auto second = load(text);
  REQUIRE(second.ok());
  REQUIRE(second->settings.tenants.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    TenantSettings wanted = first->settings.tenants[i];
    wanted.api_keys.clear();
    CHECK(is_same(second->settings.tenants[i], wanted));
  }
}

TEST_CASE("D8: keys of tenants are keys: a server that others reach may have only those") {
  CHECK(load("[server]\nhost = \"0.0.0.0\"\n" + tenant("a", "api_keys = [\"long-enough\"]")).ok());
  CHECK_FALSE(load("[server]\nhost = \"0.0.0.0\"\n" + tenant("a")).ok());
}

TEST_CASE("D8 D13: a reload says which tenants come, go and change, and shows no key") {
  TomlFile file(tenant("a", "api_keys = [\"secret-of-a\"]") + tenant("b", "api_keys = [\"secret-of-b\"]"));
  auto running = load_settings({file.path(), {}, {}});
  REQUIRE(running.ok());
  Reloader reloader({file.path(), {}, {}}, running->settings, {});
  CHECK(reloader.reload(true)->changes.empty());
  file.write(tenant("c", "api_keys = [\"secret-of-c\"]") + tenant("b", "api_keys = [\"secret-of-b\"]\nweight = 3"));
  auto plan = reloader.reload(false);
  REQUIRE(plan.ok());
  REQUIRE(plan->changes.size() == 3);
  CHECK(plan->is_applied);
  CHECK(plan->changes[0].path == "tenant.a");
  CHECK(plan->changes[0].to.empty());
  CHECK(plan->changes[1].path == "tenant.b");
  CHECK(plan->changes[1].from.find("weight = 1,") != std::string::npos);
  CHECK(plan->changes[1].to.find("weight = 3,") != std::string::npos);
  CHECK(plan->changes[2].path == "tenant.c");
  CHECK(plan->changes[2].from.empty());
  for (const KnobChange& change : plan->changes) {
    CHECK(change.is_live);
    CHECK((change.from + change.to).find("secret") == std::string::npos);
  }
  file.write(tenant("c", "api_keys = [\"another-of-c\"]") + tenant("b", "api_keys = [\"secret-of-b\"]\nweight = 3"));
  auto key = reloader.reload(true);
  REQUIRE(key.ok());
  REQUIRE(key->changes.size() == 1);
  CHECK(key->changes[0].path == "tenant.c");
}
