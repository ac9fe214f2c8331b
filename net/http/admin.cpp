#include "net/http/admin.hpp"

#include "net/schema/admin_request.hpp"
#include "net/schema/admin_state.hpp"
#include "net/schema/json_writer.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

using Reply = std::function<void(Answer)>;

struct Verb {
  const AdminOptions& admin;
  const Metrics* metrics;
  std::string_view body;
  const Reply& reply;
};

Answer json_answer(std::string body) {
  Answer answer;
  answer.body = std::move(body);
  return answer;
}

void note(const std::string& what) { log(LogLevel::kWarning, "admin", what); }

void drain(const Verb& verb, bool on) {
  if (Status status = parse_no_fields(verb.body); !status) return verb.reply(error_answer(status.error()));
  verb.admin.service->set_draining(on);
  note(on ? "draining: new requests are refused" : "not draining any more");
  verb.reply(json_answer(on ? R"({"draining":true})" : R"({"draining":false})"));
}

// Says how many requests were cancelled.
AdminService::Done<std::uint32_t> cancelled(const Reply& reply, std::string what) {
  return [reply, what = std::move(what)](Result<std::uint32_t> count) {
    if (!count) return reply(error_answer(count.error()));
    note(what + ": " + std::to_string(*count) + " requests cancelled");
    reply(json_answer("{\"cancelled\":" + std::to_string(*count) + "}"));
  };
}

void shed(const Verb& verb) {
  Result<std::int32_t> below = parse_shed(verb.body);
  if (!below) return verb.reply(error_answer(below.error()));
  verb.admin.service->shed(*below, cancelled(verb.reply, "shed below priority " + std::to_string(*below)));
}

void cancel_tenant(const Verb& verb) {
  Result<std::string> tenant = parse_cancel_tenant(verb.body);
  if (!tenant) return verb.reply(error_answer(tenant.error()));
  verb.admin.service->cancel_tenant(*tenant, cancelled(verb.reply, "cancel tenant " + *tenant));
}

void clamp(const Verb& verb) {
  Result<std::optional<std::uint32_t>> max = parse_clamp(verb.body);
  if (!max) return verb.reply(error_answer(max.error()));
  verb.admin.service->clamp(*max);
  std::string text = *max ? std::to_string(**max) : "null";
  note("max_tokens of new requests is clamped to " + text);
  verb.reply(json_answer("{\"max_tokens\":" + text + "}"));
}

void cache(const Verb& verb) {
  Result<CacheChange> change = parse_cache(verb.body);
  if (!change) return verb.reply(error_answer(change.error()));
  CacheSwitches caches = verb.admin.service->caches();
  caches.result_cache = change->result_cache.value_or(caches.result_cache);
  caches.prefix_cache = change->prefix_cache.value_or(caches.prefix_cache);
  if (Status status = verb.admin.service->switch_caches(caches); !status) {
    return verb.reply(error_answer(status.error()));
  }
  note("caches: " + caches_object(caches));
  verb.reply(json_answer(caches_object(caches)));
}

void state(const Verb& verb) {
  verb.admin.service->state([reply = verb.reply, metrics = verb.metrics](Result<ServiceState> state) {
    reply(state ? json_answer(state_object(*state, metrics)) : error_answer(state.error()));
  });
}

void trim(const Verb& verb) {
  if (Status status = parse_no_fields(verb.body); !status) return verb.reply(error_answer(status.error()));
  verb.admin.service->trim([reply = verb.reply](Result<TrimReport> report) {
    if (!report) return reply(error_answer(report.error()));
    note("trimmed: " + trim_object(*report));
    reply(json_answer(trim_object(*report)));
  });
}

void profile(const Verb& verb) {
  Result<std::uint32_t> steps = parse_profile(verb.body);
  if (!steps) return verb.reply(error_answer(steps.error()));
  if (!verb.admin.profile) {
    return verb.reply(error_answer({ErrorCode::kUnsupported, "this server has nothing to profile", "", 0}));
  }
  note("profile of " + std::to_string(*steps) + " steps");
  verb.admin.profile(*steps, [reply = verb.reply](Result<std::string> profile) {
    reply(profile ? json_answer(std::move(*profile)) : error_answer(profile.error()));
  });
}

void reload(const Verb& verb) {
  Result<bool> dry_run = parse_reload(verb.body);
  if (!dry_run) return verb.reply(error_answer(dry_run.error()));
  if (!verb.admin.reload) {
    return verb.reply(
        error_answer({ErrorCode::kUnsupported, "this server was started without a file to reload", "", 0}));
  }
  verb.admin.reload(*dry_run, [reply = verb.reply](Result<std::string> changes) {
    reply(changes ? json_answer(std::move(*changes)) : error_answer(changes.error()));
  });
}

}  // namespace

void answer_admin(const AdminOptions& admin, const Metrics* metrics, std::string_view path, std::string_view body,
                  std::function<void(Answer)> reply) {
  Verb verb{admin, metrics, body, reply};
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "state") return state(verb);
  if (name == "drain") return drain(verb, true);
  if (name == "undrain") return drain(verb, false);
  if (name == "shed") return shed(verb);
  if (name == "cancel_tenant") return cancel_tenant(verb);
  if (name == "clamp") return clamp(verb);
  if (name == "cache") return cache(verb);
  if (name == "trim") return trim(verb);
  if (name == "profile") return profile(verb);
  reload(verb);
}

}  // namespace troupe
