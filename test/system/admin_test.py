"""R005: every operator's verb under load against the real binary: docs/operations.md."""
import hashlib
import threading
import time

from server import Server, expect, need_model

need_model()
ADMIN = "the-operators-own-key"
CLIENT, OTHER = "the-first-client-key", "the-other-client-key"
LONG = {"max_tokens": 1500, "temperature": 0, "ignore_eos": True}


def tenant(key):
    return hashlib.sha256(key.encode()).hexdigest()


class Load:
    """Requests that run until somebody ends them; no two prompts are equal, so none is answered from a cache."""

    asked = 0

    def __init__(self, server, count, key=CLIENT, **fields):
        self.answers = [None] * count
        self.threads = [threading.Thread(target=self.ask, args=(server, index, key, fields)) for index in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self, server, index, key, fields):
        Load.asked += 1
        self.answers[index] = server.post("/v1/completions", {"prompt": f"{key} {index} {Load.asked} once upon a time", **LONG, **fields},
                                          Authorization=f"Bearer {key}")

    def join(self):
        for thread in self.threads:
            thread.join(120)
        return self.answers


with Server("--server.admin_key", ADMIN, "--server.api_keys", f"{CLIENT},{OTHER}", "--batching.sequences_max", "6") as server:
    def admin(method, verb, body=None, key=ADMIN):
        return server.ask(method, "/admin/v1/" + verb, body, Authorization=f"Bearer {key}")

    def do(verb, body=None):
        status, answer, _ = admin("POST", verb, body or {})
        expect(status == 200, f"{verb} works: {status} {answer}")
        return answer

    def state():
        status, answer, _ = admin("GET", "state")
        expect(status == 200, f"state works: {answer}")
        return answer

    def wait(until, what, limit_s=30):
        deadline = time.monotonic() + limit_s
        while not until(state()):
            expect(time.monotonic() < deadline, f"{what} within {limit_s} s: {state()}")
            time.sleep(0.05)

    def ask(**fields):
        return server.post("/v1/completions", {"prompt": "Hello", "max_tokens": 4, "temperature": 0, "ignore_eos": True, **fields},
                           Authorization=f"Bearer {CLIENT}")

    # Who may.
    expect(admin("GET", "state", key=CLIENT)[0] == 401 and admin("GET", "state", key="wrong")[0] == 401, "only the operator's key")
    expect(server.get("/admin/v1/state")[0] == 401, "no key")
    expect(ask()[0] == 200, "clients work")

    # state and shed, with more requests than run at once: both the queued and the running ones go.
    low = Load(server, 8, priority=-1)
    high = Load(server, 2, key=OTHER, priority=5, max_tokens=60)
    wait(lambda s: s["requests_live"] == 10 and any(r["completion_tokens"] > 0 for r in s["requests"]), "load runs")
    shown = state()
    expect(len(shown["requests"]) == 10 and shown["queue"]["requests"] >= 1, f"some wait: {shown['queue']}")
    expect({r["tenant"] for r in shown["requests"]} == {tenant(CLIENT)[:12], tenant(OTHER)[:12]}, "tenants are shown by digest")
    expect({r["stage"] for r in shown["requests"]} >= {"queue", "decode"}, "stages are shown")
    expect("once upon" not in str(shown) and CLIENT not in str(shown), "neither text nor keys")
    begin = time.monotonic()
    expect(do("shed", {"below_priority": 5})["cancelled"] == 8, "8 are shed")
    answers = low.join()
    print(f"shed: 8 answers after {time.monotonic() - begin:.3f} s")
    expect(all(status == 503 and answer["error"]["code"] == "shed" and int(head["Retry-After"]) >= 1 for status, answer, head in answers),
           f"503 and Retry-After: {answers[0][:2]}")
    expect(all(status == 200 and answer["usage"]["completion_tokens"] == 60 for status, answer, _ in high.join()), "the others finish")

    # cancel_tenant
    mine, theirs = Load(server, 3), Load(server, 2, key=OTHER, max_tokens=60)
    wait(lambda s: s["requests_live"] == 5, "load runs")
    expect(do("cancel_tenant", {"tenant": tenant(CLIENT)})["cancelled"] == 3, "3 of the tenant")
    expect(all(status == 503 for status, _, _ in mine.join()), "they hear of it")
    expect(all(status == 200 for status, _, _ in theirs.join()), "the other tenant does not")

    # clamp
    running = Load(server, 2, max_tokens=200)
    wait(lambda s: s["requests_live"] == 2, "load runs")
    do("clamp", {"max_tokens": 3})
    status, answer, _ = ask(max_tokens=50)
    expect(answer["usage"]["completion_tokens"] == 3 and answer["choices"][0]["finish_reason"] == "length", f"clamped: {answer}")
    expect(all(answer["usage"]["completion_tokens"] == 200 for _, answer, _ in running.join()), "running ones keep theirs")
    expect(state()["max_tokens"] == 3, "the clamp is shown")
    do("clamp", {"max_tokens": None})
    expect(ask(max_tokens=50)[1]["usage"]["completion_tokens"] == 50, "the clamp is gone")

    # cache
    running = Load(server, 2, max_tokens=200)
    prompt = "A long beginning that many requests share. " * 8
    ask(prompt=prompt)
    hits = server.metrics()["llm_result_cache_hits_total"]
    ask(prompt=prompt)
    expect(server.metrics()["llm_result_cache_hits_total"] == hits + 1, "a repeated request is a hit")
    expect(do("cache", {"result_cache": False}) == {"result_cache": False, "prefix_cache": True}, "one cache off")
    answer = ask(prompt=prompt)[1]
    expect(server.metrics()["llm_result_cache_hits_total"] == hits + 1, "no hit any more")
    expect(answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 0, "the prefix still is")
    do("cache", {"prefix_cache": False})
    expect(ask(prompt=prompt)[1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 0, "nor the prefix")
    do("cache", {"result_cache": True, "prefix_cache": True})
    ask(prompt=prompt)
    expect(server.metrics()["llm_result_cache_hits_total"] == hits + 2, "and on again")

    # trim, while two run
    ask(prompt="Something new: " + prompt)
    report = do("trim")
    print(f"trim: {report}")
    expect(report["result_bytes_dropped"] > 0 and report["kv_blocks_dropped"] > 0, f"something was kept: {report}")
    expect(state()["kv_blocks"]["cached"] == 0, "nothing is kept")
    expect(all(status == 200 for status, _, _ in running.join()), "running ones finish")

    # drain and back
    running = Load(server, 3, max_tokens=120)
    wait(lambda s: s["requests_live"] == 3, "load runs")
    do("drain")
    status, ready, _ = server.get("/ready")
    expect(status == 503 and ready["status"] == "draining" and "operator" in ready["message"], f"/ready says so: {ready}")
    status, refused, head = ask()
    expect(status == 503 and refused["error"]["code"] == "shutting_down" and head["Retry-After"], f"refused: {refused}")
    expect(all(status == 200 for status, _, _ in running.join()), "running ones finish while draining")
    expect(server.get("/health")[0] == 200, "alive")
    do("undrain")
    expect(server.get("/ready")[0] == 200 and ask()[0] == 200, "back")

    # What is wrong is named.
    status, answer, _ = admin("POST", "shed", {"below": 3})
    expect(status == 400 and "below_priority" in answer["error"]["message"], f"a typo: {answer}")

with Server() as server:
    expect(server.get("/admin/v1/state")[0] == 404 and server.post("/admin/v1/drain", {})[0] == 404, "without a key there is no /admin")
print("ok")
