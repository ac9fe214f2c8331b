"""D6, D7: a server that promised latencies, at five times what it can do: quick refusals that say when to come back, and what it
accepted in time. Targets are wide, for machines that do other work meanwhile; bench/slo_experiment.py measures."""
import json
import pathlib
import subprocess
import tempfile

from server import BINARY, Server, expect, need_model, total

need_model()
folder = tempfile.TemporaryDirectory()
TTFT_MS, PER_TOKEN_MS, ITL_MS = 2000, 4, 400
LENGTHS = ["--prompt-tokens", "uniform:60,200", "--output-tokens", "uniform:8,24", "--ignore-eos"]


def load(url, *flags):
    path = pathlib.Path(folder.name) / "report.json"
    done = subprocess.run([str(BINARY), "load", url, "--json", str(path), "--slo-ttft-ms", str(TTFT_MS), "--slo-ttft-ms-per-token",
                           str(PER_TOKEN_MS), "--slo-itl-ms", str(ITL_MS), *LENGTHS, *flags], capture_output=True, text=True, timeout=120)
    expect(done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return json.loads(path.read_text())


promise = ["--slo.ttft_ms", str(TTFT_MS), "--slo.ttft_ms_per_token", str(PER_TOKEN_MS), "--slo.itl_ms", str(ITL_MS)]
with Server("--cache.enabled", "false", "--batching.sequences_max", "16", *promise) as server:
    capacity = load(server.url, "--concurrency", "16", "--duration", "5")["requests_per_second"]
    report = load(server.url, "--rate", f"{5 * capacity:.2f}", "--duration", "10")
    requests, ms = report["requests"], report["seconds_of"]
    served, good = requests["successful"], report["goodput"]["requests"]
    print(f"capacity {capacity:.1f}/s; offered 5x: {requests}, good {good} ({report['goodput']['requests_per_second']:.1f}/s), "
          f"refusals p50 {ms['refusals']['p50'] * 1e3:.0f} p99 {ms['refusals']['p99'] * 1e3:.0f} ms, TTFT p99 {ms['ttft']['p99'] * 1e3:.0f} ms")
    expect(requests["refused"] > requests["total"] / 3, f"most of it is refused: {requests}")
    expect(requests["failed"] == requests["refused"], f"nothing fails but by refusal: {requests} {report['errors']}")
    expect(good >= 0.8 * served, f"what was accepted is in time: {good} of {served}")
    expect(report["goodput"]["requests_per_second"] >= 0.5 * capacity, "the overload does not cost the throughput of what is served")
    expect(ms["refusals"]["p50"] < 0.1, f"refusals are quick: {ms['refusals']}")
    metrics = server.metrics()
    expect(total(metrics, "llm_admission_refused_total") > 0, "refusals for a late first token are counted")
    verdicts = sum(value for name, value in metrics.items() if name.startswith("llm_goodput_requests_total{"))
    expect(verdicts == sum(value for name, value in metrics.items() if name.startswith('llm_requests_total{') and '"finished"' in name),
           "every finished sequence has a verdict")

    # A refusal says when to come back, whoever is refused.
    status, body, head = server.post("/v1/completions", {"prompt": "x " * 6000, "max_tokens": 1, "timeout_ms": 30})
    expect(status in (504, 400), f"a deadline that cannot be met: {status} {body}")
    status, body, _ = server.post("/v1/completions", {"prompt": "x " * 1500, "max_tokens": 1, "timeout_ms": 5})
    expect(status == 504 and body["error"]["code"] == "deadline_exceeded", f"a deadline that cannot be met: {status} {body}")
    status, body, _ = server.post("/v1/completions", {"prompt": "hello", "max_tokens": 1, "timeout_ms": 60000})
    expect(status == 200, f"a deadline with time left: {status} {body}")
print("ok")
