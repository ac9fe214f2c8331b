"""D6, D7: a server that promised latencies, at five times what it can do: quick refusals that say when to come back, who obeys is
served, and what was accepted is in time. Targets are wide, for machines that do other work meanwhile; bench/slo_experiment.py measures.
--seconds 600 is the long form: memory must stay flat too."""
import argparse
import json
import pathlib
import subprocess
import tempfile
import threading
import time

from server import BINARY, Server, expect, need_model, total

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float, default=8)
seconds = parser.parse_args().seconds
need_model()
folder = tempfile.TemporaryDirectory()
TTFT_MS, PER_TOKEN_MS, ITL_MS = 2000, 4, 400
LENGTHS = ["--prompt-tokens", "uniform:60,200", "--output-tokens", "uniform:8,24", "--ignore-eos"]


def load(url, *flags):
    path = pathlib.Path(folder.name) / "report.json"
    done = subprocess.run([str(BINARY), "load", url, "--json", str(path), "--slo-ttft-ms", str(TTFT_MS), "--slo-ttft-ms-per-token",
                           str(PER_TOKEN_MS), "--slo-itl-ms", str(ITL_MS), *LENGTHS, *flags], capture_output=True, text=True, timeout=seconds + 300)
    expect(done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(path.read_text())


def watch_memory(server, samples, stop):
    while not stop.wait(1):
        status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
        samples.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)


promise = ["--slo.ttft_ms", str(TTFT_MS), "--slo.ttft_ms_per_token", str(PER_TOKEN_MS), "--slo.itl_ms", str(ITL_MS)]
with Server("--cache.enabled", "false", "--batching.sequences_max", "16", "--kv.memory", "96M", *promise) as server:
    capacity = load(server.url, "--concurrency", "16", "--duration", "5")["requests_per_second"]
    samples, stop = [], threading.Event()  # KV blocks are planned memory, touched as they are used: 96 MB of them soon are
    watcher = threading.Thread(target=watch_memory, args=(server, samples, stop))
    watcher.start()
    report = load(server.url, "--rate", f"{5 * capacity:.2f}", "--duration", str(seconds), "--retry", "1", "--drain", "60")
    stop.set()
    watcher.join()
    requests, ms = report["requests"], report["seconds_of"]
    retries, kept = (report["retries"][key] for key in ("first_retries", "first_retries_successful"))
    metrics = server.metrics()
    verdicts = {name: value for name, value in metrics.items() if name.startswith("llm_goodput_requests_total{")}
    finished = sum(verdicts.values())
    good = sum(value for name, value in verdicts.items() if '"good"' in name)
    rate = requests["successful"] / report["seconds"]
    print(f"capacity {capacity:.1f}/s; offered 5x: {requests}, {rate:.1f}/s served; of {finished:.0f} finished ones {good:.0f} were in time; "
          f"first retries {retries}, served {kept}; RSS {samples[0]:.0f} to {samples[-1]:.0f} MiB, most {max(samples):.0f}; refusals p50 "
          f"{ms['refusals']['p50'] * 1e3:.0f} p99 {ms['refusals']['p99'] * 1e3:.0f} ms")
    refusals = report["retries"]["refusals"]
    expect(refusals > requests["total"] / 3, f"most of it is refused at first: {refusals} of {requests}")
    expect(kept >= 0.75 * retries, f"who comes back when told is served: {kept} of {retries}")
    expect(requests["failed"] == requests["refused"], f"nothing fails but by refusal: {requests} {report['errors']}")
    expect(good >= 0.8 * finished, f"what was accepted is in time: {verdicts}")
    expect(rate >= 0.5 * capacity, "the overload does not cost the throughput of what is served")
    expect(ms["refusals"]["p50"] < 0.1, f"refusals are quick: {ms['refusals']}")
    expect(samples[-1] < 1.1 * samples[len(samples) // 2] + 8, f"memory is flat: {samples[:: max(1, len(samples) // 20)]} MiB")
    expect(total(metrics, "llm_admission_refused_total") > 0, "refusals for a late first token are counted")
    expect(finished == sum(value for name, value in metrics.items() if name.startswith('llm_requests_total{') and '"finished"' in name),
           "every finished sequence has a verdict")

    # A refusal says when to come back, whoever is refused.
    status, body, head = server.post("/v1/completions", {"prompt": "x " * 6000, "max_tokens": 1, "timeout_ms": 30})
    expect(status in (504, 400), f"a deadline that cannot be met: {status} {body}")
    status, body, _ = server.post("/v1/completions", {"prompt": "x " * 1500, "max_tokens": 1, "timeout_ms": 5})
    expect(status == 504 and body["error"]["code"] == "deadline_exceeded", f"a deadline that cannot be met: {status} {body}")
    status, body, _ = server.post("/v1/completions", {"prompt": "hello", "max_tokens": 1, "timeout_ms": 60000})
    expect(status == 200, f"a deadline with time left: {status} {body}")
print("ok")
