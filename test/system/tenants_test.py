"""D8: named tenants with the real binary: keys, limits and their 429s, books by tenant, a label nothing a client sends can widen, reload."""
import pathlib
import random
import re
import subprocess
import tempfile
import threading
import time

from server import BINARY, Server, expect, need_model, total

need_model()
ADMIN = "the-operators-own-key"
SEARCH, SEARCH_2, BATCH, PLAIN = "sk-search-000001", "sk-search-000002", "sk-batch-0000001", "a-key-without-name"
folder = pathlib.Path(tempfile.mkdtemp())
config = folder / "troupe.toml"
log = folder / "access.log"
BODY = {"prompt": "Once upon a time", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
LONG = {**BODY, "max_tokens": 1200}


def write(search="requests_max = 2", batch="tokens_per_minute = 60\npriority_max = 1", more=""):
    config.write_text(f"""[server]
admin_key = "{ADMIN}"
api_keys = ["{PLAIN}"]
[cache]
enabled = false
[log]
access = "{log}"
[[tenant]]
name = "search"
api_keys = ["{SEARCH}", "{SEARCH_2}"]
{search}
[[tenant]]
name = "batch"
api_keys = ["{BATCH}"]
{batch}
{more}""")


def until(what, is_true, limit_s=30):
    deadline = time.monotonic() + limit_s
    while not is_true():
        expect(time.monotonic() < deadline, what)
        time.sleep(0.05)


def label_values(metrics, label):
    return {match.group(1) for name in metrics for match in re.finditer(rf'[{{,]{label}="([^"]*)"', name)}


# A file that is wrong is named with its line; one that is right is printed as it is in force, without keys.
write(search="weight = 0")
wrong = subprocess.run([BINARY, "check", "--config", config], capture_output=True, text=True)
expect(wrong.returncode == 2 and "troupe.toml:11" in wrong.stderr and "0.001 to 1000" in wrong.stderr, f"{wrong}")
write()
check = subprocess.run([BINARY, "check", "--config", config], capture_output=True, text=True)
expect(check.returncode == 0 and SEARCH not in check.stdout and "[[tenant]]" in check.stdout, f"{check}")
(folder / "printed.toml").write_text(check.stdout)
again = subprocess.run([BINARY, "check", "--config", folder / "printed.toml"], capture_output=True, text=True)
expect(again.returncode == 0 and "requests_max = 2" in again.stdout, f"what check prints is a file: {again.stderr}")

with Server("--config", str(config)) as server:
    def ask(key, body=BODY, path="/v1/completions"):
        return server.post(path, body, **({"Authorization": f"Bearer {key}"} if key else {}))

    def admin(verb, body=None, method="POST"):
        return server.ask(method, "/admin/v1/" + verb, body, Authorization=f"Bearer {ADMIN}")[:2]

    for key, status in [(SEARCH, 200), (SEARCH_2, 200), (BATCH, 200), (PLAIN, 200), ("sk-search-000003", 401), ("", 401)]:
        expect(ask(key)[0] == status, f"{key or 'no key'}: {status}")

    # requests_max: over both keys of the tenant together.
    held = [threading.Thread(target=ask, args=(key, LONG)) for key in (SEARCH, SEARCH_2)]
    for thread in held:
        thread.start()
    until("two requests of search are live", lambda: len([r for r in admin("state", method="GET")[1]["requests"] if r["tenant"] == "search"]) == 2)
    status, answer, head = ask(SEARCH)
    expect(status == 429 and "search" in answer["error"]["message"] and "2 requests" in answer["error"]["message"] and "requests_max" in answer["error"]["message"], f"{answer}")
    expect(answer["error"]["code"] == "rate_limit_exceeded" and answer["error"]["type"] == "rate_limit_error" and int(head["Retry-After"]) >= 1, f"{answer} {head}")
    expect(ask(PLAIN)[0] == 200, "others are served")
    shown = server.metrics()
    live = shown['llm_tenant_queue_requests{tenant="search"}'] + shown['llm_tenant_running_sequences{tenant="search"}']
    expect(live == 2 and shown['llm_tenant_requests_in_progress{tenant="search"}'] == 2, f"{live} of search are seen waiting or running")

    # The operator ends them by name.
    expect(admin("cancel_tenant", {"tenant": "nobody"})[0] == 400, "a name nobody has")
    expect(admin("cancel_tenant", {"tenant": "search"}) == (200, {"cancelled": 2}), "both are cancelled")
    for thread in held:
        thread.join(30)

    # tokens_per_minute: 60 are one a second. What is used beyond is owed, and Retry-After says when it is paid off.
    status, answer, _ = ask(BATCH, {**BODY, "max_tokens": 70})
    expect(status == 200 and answer["usage"]["completion_tokens"] == 70, "what was admitted is served to its end")
    status, answer, head = ask(BATCH)
    retry = int(head["Retry-After"])
    expect(status == 429 and "60 tokens per minute" in answer["error"]["message"], f"{answer}")
    # 74 tokens and at most 12 from above, less 60 and what came back while they were computed.
    expect(1 <= retry <= 26, f"Retry-After is {retry}")
    time.sleep(retry)
    expect(ask(BATCH)[0] == 200, f"after Retry-After ({retry} s) there is room")
    status, answer, _ = ask(BATCH, {**BODY, "priority": 2})
    expect(status == 400 and answer["error"]["param"] == "priority" and "at most 1" in answer["error"]["message"], f"{answer}")

    # Nothing a client sends is a label: 200 values of `user` (and wrong keys) add no series.
    before = server.metrics()
    rng = random.Random(8)
    names = [f"user-{rng.getrandbits(64):x}" for _ in range(200)]
    work = iter(names)

    def users():
        for name in work:
            ask(PLAIN, {**BODY, "max_tokens": 1, "user": name})

    threads = [threading.Thread(target=users) for _ in range(1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for name in names[:20]:
        ask(name)
    after = server.metrics()
    expect(label_values(after, "tenant") == {"anonymous", "other", "search", "batch"}, f"{label_values(after, 'tenant')}")
    new = {name for name in set(after) - set(before) if "exposer" not in name and "_bucket" not in name}
    expect(all("tenant" not in name for name in new), f"new series: {new}")
    expect(after['llm_tenant_requests_total{tenant="other",outcome="finished"}'] - before['llm_tenant_requests_total{tenant="other",outcome="finished"}'] == 200, "all count as other")

    # The books: tenants add up to the whole, and each adds up by itself.
    for outcome in ("finished", "failed", "cancelled", "rejected", "abandoned"):
        of_tenants = sum(value for name, value in after.items() if name.startswith("llm_tenant_requests_total") and f'outcome="{outcome}"' in name)
        expect(of_tenants == after[f'llm_requests_total{{outcome="{outcome}"}}'], f"{outcome}: {of_tenants}")
    for tenant in label_values(after, "tenant"):
        ended = sum(after.get(f'llm_tenant_requests_total{{tenant="{tenant}",outcome="{o}"}}', 0) for o in ("finished", "failed", "cancelled"))
        progress = after[f'llm_tenant_requests_in_progress{{tenant="{tenant}"}}']
        expect(after[f'llm_tenant_requests_accepted_total{{tenant="{tenant}"}}'] == ended + progress, f"{tenant} adds up")
    tokens = lambda kind: sum(value for name, value in after.items() if name.startswith("llm_tenant_tokens_total") and f'kind="{kind}"' in name)
    expect(tokens("prompt") == after["llm_prompt_tokens_total"] and tokens("generated") == after["llm_tokens_generated_total"], "tokens add up")
    limited = {limit: after.get(f'llm_tenant_limited_total{{tenant="{tenant}",limit="{limit}"}}', 0)
               for tenant, limit in (("search", "requests_max"), ("batch", "tokens_per_minute"), ("batch", "priority_max"))}
    expect(limited == {"requests_max": 1, "tokens_per_minute": 1, "priority_max": 1}, f"{limited}")
    expect(total(after, "llm_tenant_limited_total") == 3, "and no more")

    # A reload: a limit that goes, a key that moves, a name that is new; and one that is wrong changes nothing.
    write(search="requests_max = 1000\nweight = 3", more=f'[[tenant]]\nname = "later"\napi_keys = ["sk-later-0000001"]\n')
    status, plan = admin("reload", {})
    expect(status == 200 and [change["setting"] for change in plan["changes"]] == ["tenant.search", "tenant.later"], f"{plan}")
    expect("sk-" not in str(plan), "keys are not shown")
    held = [threading.Thread(target=ask, args=(SEARCH, LONG)) for _ in range(3)]
    for thread in held:
        thread.start()
    until("three of search run", lambda: server.metrics()['llm_tenant_requests_in_progress{tenant="search"}'] == 3)
    expect(admin("cancel_tenant", {"tenant": "search"})[1] == {"cancelled": 3}, "cancelled")
    for thread in held:
        thread.join(30)
    expect(ask("sk-later-0000001")[0] == 200, "the new tenant is served")
    expect('llm_tenant_queue_requests{tenant="later"}' in server.metrics(), "and has a name")
    write(more="".join(f'[[tenant]]\nname = "t{i}"\napi_keys = []\n' for i in range(14)))
    status, answer = admin("reload", {})
    expect(status == 400 and "needs a restart" in answer["error"]["message"], f"the 17th name since the start: {answer}")
    expect(ask("sk-later-0000001")[0] == 200, "nothing has changed")
    until("the access log names tenants", lambda: {'"tenant":"search"', '"tenant":"batch"', '"tenant":"later"'} <= set(re.findall(r'"tenant":"[a-z]+"', log.read_text())))
    expect(SEARCH not in log.read_text(), "keys are not logged")
print("ok")
