"""R050 to R065, on the host: a profile of a live server and of `troupe profile`, against the real binary and model."""
import json
import subprocess
import tempfile
import threading
import time

from server import BINARY, MODEL, Server, expect, need_model

need_model()
ADMIN = "the-operators-own-key"
STEPS = 30


def check(profile, tracks, steps):
    expect(profile["steps"] == steps and profile["spans_dropped"] == 0, f"{steps} steps, nothing dropped: {profile['steps']}")
    events = [event for event in profile["traceEvents"] if event["ph"] == "X"]
    names = {event["args"]["name"]: event["tid"] for event in profile["traceEvents"] if event["ph"] == "M"}
    expect(set(tracks) <= set(names), f"tracks {tracks} are in {sorted(names)}")
    expect(all(0 <= event["ts"] and event["ts"] + event["dur"] <= profile["wall_us"] + 1 for event in events), "one clock, within the profile")
    for track in tracks:
        shares = sum(row["share"] for row in profile["table"] if row["track"] == track)
        expect(abs(shares - 1) < 1e-6, f"the shares of {track} add up to 1: {shares}")
    rows = {row["name"]: row for row in profile["table"] if row["track"] == "phases"}
    layers = rows["down"]["calls"] // steps
    expect(layers == 30 and rows["attention"]["calls"] == layers * steps, f"a span for every layer: {rows['down']['calls']}")
    for name in ("q/k/v", "gate/up", "down", "head", "attention"):
        expect(rows[name]["bytes_per_s"] > 1e8 and rows[name]["operations_per_s"] > 1e8, f"{name} has rates: {rows[name]}")
        # What the machine did in other moments may be less than what it did in these: the share may be more than one.
        row, machine = rows[name], profile["machine"]
        reading = row["bytes_per_s"] / machine["read_bytes_per_s"]
        rates = [row["operations_per_s"] / machine[kind] for kind in ("int8_operations_per_s", "f32_operations_per_s")]
        low, high = max(reading, min(rates)), max(reading, *rates)
        if name != "attention":  # whose operations are of both kinds
            low = high = max(reading, rates[0])
        expect(0 < low * 0.999 <= row["of_roofline"] <= high * 1.001, f"{name} is held against the machine: {row} {machine}")
    expect(any(event["args"].get("layer") == 29 and event["args"].get("tokens", 0) >= 1 for event in events), "shapes are arguments")
    inside = sum(row["seconds"] for row in rows.values())
    expect(inside * 1e6 < profile["wall_us"], "phases do not overlap")
    return inside * 1e6 / profile["wall_us"]


with Server("--server.admin_key", ADMIN, "--cache.enabled", "false") as server:
    def profile(body):
        return server.ask("POST", "/admin/v1/profile", body, Authorization=f"Bearer {ADMIN}")

    def answer():
        status, body, _ = server.post("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 40, "temperature": 0, "ignore_eos": True})
        expect(status == 200, f"requests work: {body}")
        return body["choices"][0]["text"]

    plain = answer()
    expect(server.ask("POST", "/admin/v1/profile", {})[0] == 401, "only an operator may")
    expect(profile({"steps": 0})[0] == 400 and profile({"steps": 201})[0] == 400, "1 to 200 steps")
    results = []
    waiting = threading.Thread(target=lambda: results.append(profile({"steps": STEPS})))
    waiting.start()
    texts = []
    while waiting.is_alive() and len(texts) < 20:
        texts.append(answer())
    waiting.join(60)
    status, body, _ = results[0]
    expect(status == 200, f"a profile comes: {status}")
    share = check(body, ("phases", "batcher", "executor", "request"), STEPS)
    expect(set(texts) == {plain}, "profiled answers are the answers")
    status, body, headers = profile({"steps": 1})
    expect(status == 429 and int(headers["Retry-After"]) >= 1, f"not again at once: {status} {body}")
    time.sleep(int(headers["Retry-After"]) + 0.5)
    command = [str(BINARY), "profile", "--url", server.url, "--server.admin_key", ADMIN, "--steps", "10"]
    live = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while live.poll() is None:
        answer()
    out, err = live.communicate()
    expect(live.returncode == 0 and "10 steps in" in out and "gate/up" in out and "GFLOP/s" in out, out + err)
    done = subprocess.run(command[:4] + ["--server.admin_key", "another-operators-key"], capture_output=True, text=True, timeout=30)
    expect(done.returncode == 1 and "status 401" in done.stderr, done.stderr)
    print(f"live: phases are {100 * share:.0f} % of the time")

with tempfile.NamedTemporaryFile(suffix=".json") as trace:
    command = [str(BINARY), "profile", "--model", str(MODEL), "--batch", "4", "--steps", "5", "--trace", trace.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0 and "attention" in done.stdout and "gate/up" in done.stdout, done.stdout + done.stderr)
    check(json.load(open(trace.name)), ("phases",), 5)
done = subprocess.run([str(BINARY), "profile", "--model", str(MODEL), "--prompt", "100000"], capture_output=True, text=True, timeout=120)
expect(done.returncode == 2 and "100000 positions do not fit" in done.stderr, done.stderr)
print("ok")
