#pragma once
// Every knob of Troupe on one page: its TOML path, default, unit, bounds and why it is what it is. The table at the end
// is what the file, the environment (TROUPE_SERVER_PORT) and the command line (--server.port) are read by.
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "runtime/tenant_rule.hpp"

namespace troupe {

using TextList = std::vector<std::string>;
struct Bytes {  // "8Gi", "512M", "1048576"
  std::uint64_t value = 0;
};

struct TenantSettings {
  TenantRule rule;
  TextList api_keys;
};

struct Settings {
  std::string host = "127.0.0.1";
  std::uint32_t port = 8080;
  TextList api_keys;
  std::string admin_key;
  bool insecure = false;
  std::uint32_t connections_max = 4096;
  Bytes body_max{8U << 20};
  std::uint32_t head_timeout_ms = 30'000;
  std::uint32_t body_timeout_ms = 60'000;
  std::uint32_t keep_alive_ms = 75'000;
  std::uint32_t write_stall_ms = 30'000;
  std::uint32_t sse_keep_alive_ms = 15'000;
  std::string cors_origin = "*";
  std::uint32_t drain_ms = 30'000;
  bool guide_compat = false;

  bool metrics_enabled = true;
  std::string metrics_host = "127.0.0.1";
  std::uint32_t metrics_port = 9090;
  TextList metrics_aliases = {"vllm", "tgi", "llamacpp"};

  std::string model;
  std::string model_name;
  TextList model_aliases;
  std::string chat_template;
  std::uint32_t context = 0;
  bool quantization = false;
  std::string precision = "int8";

  bool preload = true;
  bool pin_memory = false;
  std::uint32_t warmup_samples = 4;

  std::uint32_t threads = 0;
  bool pin_threads = false;
  Bytes kv_memory{0};
  std::string kv_type = "auto";
  bool kv_preallocation = false;
  bool prefix_cache = true;

  std::uint32_t sequences_max = 32;
  std::uint32_t step_tokens_max = 512;
  std::uint32_t prefill_chunk_max = 256;
  std::string batching_mode = "auto";
  std::uint32_t window_us = 10'000;
  std::uint32_t queue_max = 256;
  std::uint32_t queue_tokens_max = 262'144;
  std::uint32_t steps_in_flight = 1;

  std::uint32_t slo_ttft_ms = 0;
  double slo_ttft_ms_per_token = 1.0;
  std::uint32_t slo_itl_ms = 0;

  Bytes memory_limit{0};

  bool cache_enabled = true;
  Bytes cache_memory{64U << 20};

  std::uint32_t stall_ms = 10'000;

  bool reload_watch = false;

  std::vector<TenantSettings> tenants;  // [[tenant]]: only in a file, and live: conf/tenants.hpp

  std::string access_log;
  std::string log_level = "info";
  bool log_json = false;
};

struct Knob {
  using Member = std::variant<bool Settings::*, std::uint32_t Settings::*, double Settings::*, Bytes Settings::*,
                              std::string Settings::*, TextList Settings::*>;
  const char* path;  // in TOML: section.key or section.section.key
  Member member;
  const char* unit;
  std::uint64_t min;  // of numbers and bytes
  std::uint64_t max;
  const char* why;
  bool is_live = false;  // a reload can change it while the server runs
};

inline constexpr bool kLive = true;
inline constexpr std::uint64_t kAnyCount = 0xFFFFFFFFU;
inline constexpr std::uint64_t kAnyBytes = 1ULL << 50;

// clang-format off
inline const Knob kKnobs[] = {
  {"server.host", &Settings::host, "address", 0, 0, "only this machine, until keys are set or insecure = true says otherwise"},
  {"server.port", &Settings::port, "port", 0, 65535, "0 takes a free one and prints it"},
  {"server.api_keys", &Settings::api_keys, "list", 0, 0, "who may ask, beside the keys of tenants; none of both: everybody who reaches the port", kLive},
  {"server.admin_key", &Settings::admin_key, "key", 0, 0, "opens /admin/v1 to an operator; empty: there is nothing there"},
  {"server.insecure", &Settings::insecure, "bool", 0, 0, "listen beyond this machine without keys", kLive},
  {"server.connections_max", &Settings::connections_max, "connections", 1, 1'000'000, "each costs a descriptor and some 20 KiB", kLive},
  {"server.body_max", &Settings::body_max, "bytes", 1024, 1U << 30, "16 bytes a token is generous for a 262,144 token prompt", kLive},
  {"server.head_timeout_ms", &Settings::head_timeout_ms, "ms", 1, 3'600'000, "absolute, however slowly the bytes drip", kLive},
  {"server.body_timeout_ms", &Settings::body_timeout_ms, "ms", 1, 3'600'000, "absolute, as for the head", kLive},
  {"server.keep_alive_ms", &Settings::keep_alive_ms, "ms", 1, 3'600'000, "idle connections beyond it are closed", kLive},
  {"server.write_stall_ms", &Settings::write_stall_ms, "ms", 1, 3'600'000, "a reader that takes nothing for so long is cancelled", kLive},
  {"server.sse_keep_alive_ms", &Settings::sse_keep_alive_ms, "ms", 10, 3'600'000, "below every proxy's idle limit", kLive},
  {"server.cors_origin", &Settings::cors_origin, "origin", 0, 0, "Access-Control-Allow-Origin; empty sends none", kLive},
  {"server.drain_ms", &Settings::drain_ms, "ms", 0, 3'600'000, "what SIGTERM leaves running streams; Kubernetes' grace is 30 s", kLive},
  {"server.guide_compat", &Settings::guide_compat, "bool", 0, 0, "adds a top-level \"text\" to completions for scripts that read it", kLive},
  {"metrics.enabled", &Settings::metrics_enabled, "bool", 0, 0, "a listener of its own that load on the API cannot block"},
  {"metrics.host", &Settings::metrics_host, "address", 0, 0, "scrapers on this machine; set 0.0.0.0 in a pod"},
  {"metrics.port", &Settings::metrics_port, "port", 0, 65535, "0 takes a free one and prints it"},
  {"metrics.aliases", &Settings::metrics_aliases, "list", 0, 0, "the same figures under the names that dashboards of vllm, tgi and llamacpp read"},
  {"model.path", &Settings::model, "path", 0, 0, "a GGUF file, or a Hugging Face folder with safetensors"},
  {"model.name", &Settings::model_name, "name", 0, 0, "what /v1/models says; empty: the file's name"},
  {"model.aliases", &Settings::model_aliases, "list", 0, 0, "further names requests may use", kLive},
  {"model.chat_template", &Settings::chat_template, "file or text", 0, 0, "instead of the model's own: a file, or the template itself when it has {{ or {% in it; empty: the model's own"},
  {"model.context", &Settings::context, "tokens", 0, 1U << 20, "prompt and output of one sequence; 0: the model's own"},
  {"model.quantization.enabled", &Settings::quantization, "bool", 0, 0, "quantise weights that are floats while loading; weights that are quantised stay as they are"},
  {"model.quantization.precision", &Settings::precision, "precision", 0, 0, "int8: Q8_0, hardly any loss; int4: Q4_1 and an int8 head, half the memory of int8"},
  {"loading.preload", &Settings::preload, "bool", 0, 0, "false: weights are packed when the first request comes; until then they take no memory"},
  {"loading.pin_memory", &Settings::pin_memory, "bool", 0, 0, "lock weights and K/V into RAM; where the system forbids it a warning says so"},
  {"loading.warmup_samples", &Settings::warmup_samples, "steps", 0, 1000, "made-up steps before the server is ready, so that its first request is no slower than the next"},
  {"compute.threads", &Settings::threads, "threads", 0, 1024, "0: every core that affinity and cgroup allow"},
  {"compute.pin", &Settings::pin_threads, "bool", 0, 0, "each compute thread stays on a core; good alone on a machine, bad beside others"},
  {"kv.memory", &Settings::kv_memory, "bytes", 0, kAnyBytes, "0: room for 8 full contexts, at most a quarter of the memory that is free"},
  {"kv.type", &Settings::kv_type, "type", 0, 0, "int8, f16 (nearly twice the memory), or auto: f16 where the weights are floats"},
  {"kv.preallocation", &Settings::kv_preallocation, "bool", 0, 0, "touch all K/V memory at start: what is missing shows then, not under load"},
  {"kv.prefix_cache", &Settings::prefix_cache, "bool", 0, 0, "shares the blocks of equal prompt beginnings within a tenant"},
  {"batching.mode", &Settings::batching_mode, "mode", 0, 0, "auto: from measured latency; fixed: the three knobs below as they stand"},
  {"batching.sequences_max", &Settings::sequences_max, "sequences", 1, 1024, "rows of one step, never more; beyond 32 a CPU gains nothing"},
  {"batching.step_tokens_max", &Settings::step_tokens_max, "tokens", 16, 65536, "of one step, never more; activations need memory"},
  {"batching.prefill_chunk_max", &Settings::prefill_chunk_max, "tokens", 16, 65536, "fixed: of one prompt in one step while others decode"},
  {"batching.window_us", &Settings::window_us, "us", 0, 1'000'000, "auto: an idle executor waits for company no longer, and only where it pays; fixed: so long"},
  {"batching.queue_max", &Settings::queue_max, "requests", 1, 1'000'000, "beyond it a client gets 429 and when to come back"},
  {"batching.queue_tokens_max", &Settings::queue_tokens_max, "tokens", 1, kAnyCount, "the same in prompt tokens"},
  {"batching.steps_in_flight", &Settings::steps_in_flight, "steps", 1, 2, "2 hides planning behind a device; on a CPU it only delays arrivals"},
  {"slo.ttft_ms", &Settings::slo_ttft_ms, "ms", 0, 3'600'000, "promised first token, with the next: who would miss it is refused; 0: aim at 1 s, refuse nobody"},
  {"slo.ttft_ms_per_token", &Settings::slo_ttft_ms_per_token, "ms", 0, 10'000, "so much more for each token of the prompt"},
  {"slo.itl_ms", &Settings::slo_itl_ms, "ms", 0, 3'600'000, "promised time between tokens: limits steps and sequences; 0: aim at 100 ms"},
  {"memory.limit", &Settings::memory_limit, "bytes", 0, kAnyBytes, "for everything that grows with clients; 0: half of what the plan leaves free, 256 MiB to 16 GiB", kLive},
  {"cache.enabled", &Settings::cache_enabled, "bool", 0, 0, "answers deterministic requests (greedy or seeded) from memory", kLive},
  {"cache.memory", &Settings::cache_memory, "bytes", 0, kAnyBytes, "least recently used answers go first", kLive},
  {"health.stall_ms", &Settings::stall_ms, "ms", 100, 3'600'000, "a stage with work and no progress for so long makes /ready 503", kLive},
  {"reload.watch", &Settings::reload_watch, "bool", 0, 0, "reload when the file has changed (looked at every 2 s), also behind symbolic links; SIGHUP always does"},
  {"log.access", &Settings::access_log, "file", 0, 0, "a JSON line for every request that ended; \"-\": standard output; empty: none", kLive},
  {"log.level", &Settings::log_level, "level", 0, 0, "debug, info, warning or error", kLive},
  {"log.json", &Settings::log_json, "bool", 0, 0, "one JSON object a line"},
};
// clang-format on

}  // namespace troupe
