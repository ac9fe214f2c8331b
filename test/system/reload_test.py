"""D13: a reload is a transaction: SIGHUP, POST /admin/v1/reload and swapped links; nothing is dropped under load; what needs a restart is refused."""
import os
import pathlib
import signal
import tempfile
import threading
import time

from server import Server, expect, need_model

need_model()
ADMIN = "the-operators-own-key"
folder = pathlib.Path(tempfile.mkdtemp())
config = folder / "troupe.toml"
BODY = {"prompt": "Hello there", "max_tokens": 8, "temperature": 0, "ignore_eos": True}


def write(*live, restart=""):
    config.write_text(f'[server]\nadmin_key = "{ADMIN}"\n' + "\n".join(live) + "\n" + restart)


def until(what, is_true, limit_s=15):
    deadline = time.monotonic() + limit_s
    while not is_true():
        expect(time.monotonic() < deadline, what)
        time.sleep(0.05)


write()
with Server("--config", str(config)) as server:
    def reload(**body):
        return server.ask("POST", "/admin/v1/reload", body, Authorization=f"Bearer {ADMIN}")[:2]

    def served(key=None):
        return server.post("/v1/completions", BODY, **({"Authorization": f"Bearer {key}"} if key else {}))[0]

    # The plan, and then the deed: keys, aliases, the access log, guide_compat, the result cache.
    log = folder / "access.log"
    write('api_keys = ["first-key-1", "second-key"]', "guide_compat = true", restart=f'[model]\naliases = ["pet"]\n[log]\naccess = "{log}"\n')
    status, plan = reload(dry_run=True)
    expect(status == 200 and not plan["applied"], f"a plan: {plan}")
    expect([change["setting"] for change in plan["changes"]] == ["server.api_keys", "server.guide_compat", "model.aliases", "log.access"], f"{plan}")
    expect("first-key-1" not in str(plan), "keys are not shown")
    expect(served() == 200 and not log.exists(), "a plan changes nothing")
    status, done = reload()
    expect(status == 200 and done["applied"] and done["changes"] == plan["changes"], f"applied: {done}")
    expect(served() == 401 and served("second-key") == 200, "keys are asked for now")
    status, answer, _ = server.post("/v1/completions", {**BODY, "model": "pet"}, Authorization="Bearer first-key-1")
    expect(status == 200 and "text" in answer, f"the alias and guide_compat work: {answer}")
    until("the access log is written", lambda: log.exists() and len(log.read_text().splitlines()) >= 2)

    # What needs a restart, what is wrong, what cannot be opened: refused as a whole and named.
    for live, rest, word in [
        (["drain_ms = 1"], '[kv]\nmemory = "64Mi"\n', "kv.memory"),
        (["drain_ms = 1"], "[batching]\nsequences_max = 3\n", "batching.sequences_max"),
        (["drain_ms = 1", "keepalive_ms = 3"], "", "server.keep_alive_ms"),
        (["drain_ms = -1"], "", "drain_ms"),
        (["drain_ms = "], "", "troupe.toml"),
        (['api_keys = []'], '[log]\naccess = "/no/such/folder/x"\n', "/no/such/folder/x"),
    ]:
        write(*live, restart=rest)
        status, answer = reload()
        expect(status == 400 and word in answer["error"]["message"], f"{word} is named: {status} {answer}")
        expect(served() == 401 and served("second-key") == 200, "and nothing has changed")

    # SIGHUP under load: not one request is lost while keys, limits and caches change all the time.
    statuses, stop = [], threading.Event()

    def load(index):
        while not stop.is_set():
            status, answer, _ = server.post("/v1/completions", {**BODY, "prompt": f"{index} {len(statuses)}", "max_tokens": 24}, Authorization="Bearer second-key")
            statuses.append(status if status != 200 else answer["usage"]["completion_tokens"])

    threads = [threading.Thread(target=load, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for round in range(20):
        write(f'api_keys = ["second-key", "key-number-{round}"]', f"keep_alive_ms = {5000 + round}", f"write_stall_ms = {20000 + round}",
              restart=f'[cache]\nenabled = {"true" if round % 2 else "false"}\nmemory = "{round + 1}Mi"\n[log]\naccess = "{log if round % 3 else ""}"\n')
        server.process.send_signal(signal.SIGHUP)
        until(f"reload {round} is in force", lambda: served(f"key-number-{round}") == 200)
    stop.set()
    for thread in threads:
        thread.join(60)
    expect(len(statuses) > 20 and set(statuses) == {24}, f"{len(statuses)} requests, none lost: {set(statuses)}")
    print(f"20 reloads under load, {len(statuses)} requests, 0 lost")
    server.process.send_signal(signal.SIGHUP)
    expect(server.get("/health")[0] == 200, "SIGHUP does not end the server")

# Kubernetes swaps a link: reload.watch sees it without a signal.
for name, key in (("one", "key-of-one"), ("two", "key-of-two")):
    (folder / name).mkdir()
    (folder / name / "troupe.toml").write_text(f'[server]\napi_keys = ["{key}"]\n[reload]\nwatch = true\n')
os.symlink(folder / "one", folder / "..data")
os.symlink(folder / "..data" / "troupe.toml", folder / "mounted.toml")
with Server("--config", str(folder / "mounted.toml")) as server:
    expect(server.post("/v1/completions", BODY, Authorization="Bearer key-of-one")[0] == 200, "the first file")
    os.symlink(folder / "two", folder / "..data_tmp")
    os.rename(folder / "..data_tmp", folder / "..data")
    until("the swapped link is seen", lambda: server.post("/v1/completions", BODY, Authorization="Bearer key-of-two")[0] == 200)
    before, begin = server.cpu_seconds(), time.monotonic()
    time.sleep(6)
    share = (server.cpu_seconds() - before) / (time.monotonic() - begin)
    expect(share < 0.003 + 0.01 / 6, f"watching costs {share * 100:.2f} % of a core")  # one tick of the clock is 10 ms

# Without a file there is nothing to reload, and SIGHUP is survived.
with Server("--server.admin_key", ADMIN) as server:
    status, answer, _ = server.ask("POST", "/admin/v1/reload", {}, Authorization=f"Bearer {ADMIN}")
    expect(status == 400 and "--config" in answer["error"]["message"], f"no file: {answer}")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    expect(server.get("/health")[0] == 200, "alive")
print("ok")
