"""The access log: one JSON line for every request that ended, whose stages sum to its time within 1 % (or 20 us); rename-safe; no keys, no text."""
import json
import os
import pathlib
import tempfile
import threading
import time

from server import Server, expect, need_model, total

need_model()
folder = pathlib.Path(tempfile.mkdtemp())
path = folder / "access.log"
KEY = "a-secret-client-key"
BORDERS_MS = 0.02  # between stages two clock reads lie; an answer from the cache is over in 0.3 ms, 1 % of which they can exceed
BODY = {"prompt": "The secret word is", "max_tokens": 24, "temperature": 0, "ignore_eos": True}


def lines(of=path):
    return [json.loads(line) for line in of.read_text().splitlines()] if of.exists() else []


def wait_for(count, of=path):
    deadline = time.monotonic() + 20
    while len(lines(of)) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    expect(len(lines(of)) == count, f"{count} lines: {len(lines(of))}")
    return lines(of)


with Server("--log.access", str(path), "--server.api_keys", KEY) as server:
    auth = {"Authorization": f"Bearer {KEY}"}
    threads = [threading.Thread(target=lambda n=n: server.post("/v1/completions", {**BODY, "prompt": f"{n} The secret word is"},
                                                               **{**auth, "X-Request-Id": f"mine-{n}"})) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(server.post("/v1/completions", {**BODY, "n": 2, "temperature": 1}, **auth)[0] == 200, "two choices")
    expect(server.post("/v1/completions", {**BODY, "temperature": 9}, **auth)[0] == 400, "a wrong one")
    expect(server.post("/v1/completions", BODY)[0] == 401, "one without a key")
    expect(server.post("/v1/completions", {**BODY, "prompt": "0 The secret word is"}, **auth)[0] == 200, "one from the result cache")
    entries = wait_for(12 + 2 + 1 + 1 + 1)

    worst = 0.0
    for entry in entries:
        summed = sum(entry["stages_ms"].values())
        expect(abs(summed - entry["total_ms"]) <= max(0.01 * entry["total_ms"], BORDERS_MS), f"stages sum to the whole: {entry}")
        worst = max(worst, abs(summed - entry["total_ms"]) / entry["total_ms"])
    print(f"stages sum to the whole within {worst * 100:.4f} %")
    finished = [entry for entry in entries if entry["outcome"] == "finished"]
    expect(len(finished) == 15 and all(entry["reason"] == "length" and entry["completion_tokens"] == 24 for entry in finished), "15 finished")
    expect({entry["request_id"] for entry in entries} >= {f"mine-{n}" for n in range(12)}, "the client's ids are there")
    expect(sorted(entry.get("status") for entry in entries if entry["outcome"] == "refused") == [400, 401], "the refusals")
    expect(all(entry["ttft_ms"] <= entry["total_ms"] for entry in finished), "the first token comes before the end")
    text = path.read_text()
    expect(KEY not in text and "secret word" not in text, "neither keys nor prompts")
    expect(len({entry["tenant"] for entry in finished}) == 1 and len(finished[0]["tenant"]) == 12, "the tenant is a digest")

    # logrotate renames; the next line goes to a new file.
    os.rename(path, folder / "access.log.1")
    expect(server.post("/v1/completions", BODY, **auth)[0] == 200, "one more")
    wait_for(1)
    expect(len(lines(folder / "access.log.1")) == 17, "the old file is complete")
    metrics = server.metrics()
    expect(metrics["llm_access_log_lines_total"] == 18 and metrics["llm_access_log_dropped_total"] == 0, "every line is counted")
    expect(total(metrics, "llm_requests_received_total") == 16, "sequences as the metrics count them")
print("ok")
