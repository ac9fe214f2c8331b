"""R190-R204: `troupe load` against the real server: both loops, the server's own metrics as the second witness, refusals, connections."""
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from server import BINARY, Server, expect, need_model, total

need_model()
folder = tempfile.TemporaryDirectory()
SMALL = ["--prompt-tokens", "uniform:8,24", "--output-tokens", "uniform:4,12"]


def load(url, *flags, expected=0, timeout=120):
    """Runs the generator; returns (stdout, JSON report)."""
    path = pathlib.Path(folder.name) / "report.json"
    done = subprocess.run([str(BINARY), "load", url, "--json", str(path), *flags], capture_output=True, text=True, timeout=timeout)
    expect(done.returncode == expected, f"exit code {done.returncode}, not {expected}: {flags}\n{done.stdout}\n{done.stderr}")
    return done.stdout, json.loads(path.read_text()) if path.exists() and path.stat().st_size else None


def count(metrics, family, **labels):
    """A family's series whose labels match, summed."""
    return sum(value for name, value in metrics.items() if name.split("{")[0] == family and all(f'{k}="{v}"' in name for k, v in labels.items()))


def histogram_p50(before, after, family):
    """Bounds (low, high] of the bucket in which the median of what came between two scrapes lies."""
    buckets = {}
    for name, value in after.items():
        if name.startswith(family + "_bucket"):
            bound = float(re.search(r'le="([^"]+)"', name).group(1).replace("+Inf", "inf"))
            buckets[bound] = buckets.get(bound, 0) + value - before.get(name, 0)
    all_of_them = max(buckets.values())
    low = 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= all_of_them / 2:
            return low, bound
        low = bound
    raise SystemExit("FAILED: an empty histogram")


def check_books(server, name, *flags):
    before = server.metrics()
    text, report = load(server.url, *flags)
    after = server.metrics()
    grown = lambda family: total(after, family) - total(before, family)
    requests = report["requests"]
    print(f"{name}: {requests['successful']} of {requests['total']} in {report['seconds']:.1f} s, "
          f"{report['tokens']['output_per_second']:.0f} tok/s, TTFT p50 {report['seconds_of']['ttft']['p50'] * 1e3:.1f} ms, "
          f"lateness p99 {report['seconds_of']['generator_lateness']['p99'] * 1e3:.2f} ms")
    expect(requests["total"] == requests["successful"] > 10, f"{name}: every request succeeds: {requests} {report['errors']}")
    expect(grown("llm_requests_total") == requests["total"], f"{name}: the server counts {grown('llm_requests_total')} requests, the generator {requests}")
    expect(grown("llm_tokens_generated_total") == report["tokens"]["output"],
           f"{name}: the server counts {grown('llm_tokens_generated_total')} output tokens, the generator {report['tokens']}")
    # TTFT of both sides: the generator's also has the network, its own lateness and both sides' event loops.
    low, high = histogram_p50(before, after, "llm_time_to_first_token_seconds")
    p50 = report["seconds_of"]["ttft"]["p50"]
    slack = 0.015 + report["seconds_of"]["generator_lateness"]["p99"]
    expect(low * 0.99 <= p50 <= high * 1.01 + slack, f"{name}: TTFT p50 is {p50:.4f} s; the server says {low:.4f} to {high:.4f} s")
    expect(f"Total requests: {requests['total']}\nSuccessful: {requests['successful']}\nFailed: 0\n" in text, f"{name}: R200 the guide's lines")
    return text, report


with Server("--cache.enabled", "false") as server:
    page = pathlib.Path(folder.name) / "report.html"
    check_books(server, "open loop", "--rate", "8", "--duration", "5", *SMALL, "--slo-ttft-ms", "2000", "--html", str(page))
    html = page.read_text()
    expect(html.count("<svg ") == 7 and "<script" not in html and "http-equiv" not in html, "the HTML report has its plots and no script")
    text, closed = check_books(server, "closed loop", "--concurrency", "4", "--duration", "4", *SMALL, "--ignore-eos", "--temperature", "0")
    expect("Latency Statistics:" in text and re.search(r"ITL +\d", text), "ITL is reported")
    _, chat = check_books(server, "chat", "--endpoint", "chat", "--concurrency", "4", "-n", "20", *SMALL, "--tenant", "a", "--tenant", "b=key")
    expect(sum(t["requests"] for t in chat["tenants"]) == 20 and len(chat["tenants"]) == 2, f"tenants: {chat['tenants']}")
    _, whole = load(server.url, "--no-stream", "--concurrency", "2", "-n", "10", *SMALL)
    expect(whole["requests"]["successful"] == 10 and whole["seconds_of"]["ttft"]["count"] == 0, f"whole answers: {whole['requests']}")

    # A trace, with the guide's URL form.
    trace = pathlib.Path(folder.name) / "trace.csv"
    trace.write_text("arrival_ms,prompt_tokens,output_tokens\n" + "".join(f"{i * 50},{5 + i},{2 + i % 3}\n" for i in range(20)))
    _, played = load(server.url + "/v1/completions", "--trace", str(trace), "--ignore-eos")
    expect(played["requests"]["successful"] == 20, f"the trace is played: {played['requests']} {played['errors']}")
    expect(played["tokens"]["output"] == sum(2 + i % 3 for i in range(20)), f"with its lengths: {played['tokens']}")

    # R203: the warm-up is not measured. R204, R196 are proven in virtual time by test/load.
    _, warm = load(server.url, "--rate", "10", "--warmup", "1.45", "--duration", "2", "--arrivals", "uniform", *SMALL)
    expect(warm["requests"]["total"] == 20 and 10 <= warm["phases"][0]["sent"] <= 14, f"R203: {warm['requests']} {warm['phases']}")

    # What is wrong is said, with exit code 2, and nothing is sent.
    before = total(server.metrics(), "llm_requests_total")
    for flags in (["--rate", "nan"], ["--rate", "1", "--concurrency", "1"], ["--profile", "step:1"], ["--prompt-tokens", "zipf:3"],
                  ["--trace", "/no/such/file"], ["--endpoint", "x"], ["--header", "bad"], ["--html", "/no/such/folder/a.html"], ["--no-such-flag"]):
        load(server.url, *flags, expected=2)
    load("https://127.0.0.1", expected=2)
    load("http://no-such-host.invalid", expected=2)
    expect(total(server.metrics(), "llm_requests_total") == before, "nothing was sent")

    # ^C ends early and still reports.
    running = subprocess.Popen([str(BINARY), "load", server.url, "--concurrency", "2", "--duration", "600", *SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    text, _ = running.communicate(timeout=20)
    expect(running.returncode == 0 and "=== Load Test Results ===" in text and "it was interrupted" in text, f"^C: {running.returncode}\n{text}")

# Refusals: a queue of one. They are quick, counted by status and code, never a success; Retry-After is obeyed when asked.
with Server("--cache.enabled", "false", "--batching.queue_max", "1", "--batching.sequences_max", "1") as server:
    long = ["--prompt-tokens", "fixed:8", "--output-tokens", "fixed:32", "--ignore-eos"]
    text, report = load(server.url, "--rate", "40", "--duration", "3", "--arrivals", "uniform", *long)
    requests = report["requests"]
    expect(requests["refused"] > 5 and requests["failed"] == requests["refused"], f"an overload is refused: {requests} {report['errors']}")
    expect(requests["total"] == requests["successful"] + requests["failed"], f"R194: the books add up: {requests}")
    expect(report["errors"].get("429 queue_full") == requests["refused"], f"R199: by status and code: {report['errors']}")
    expect(count(server.metrics(), "llm_http_requests_total", status="429") == requests["refused"], "the server answered 429 as often")
    _, retried = load(server.url, "--concurrency", "4", "-n", "8", "--retry", "20", *long)
    retries = retried["retries"]
    expect(retried["requests"]["successful"] == 8 and retries["first_retries"] > 0, f"Retry-After is obeyed: {retried['requests']} {retries}")
    print(f"refusals: {requests['refused']} of {requests['total']}, p50 {report['seconds_of']['refusals']['p50'] * 1e3:.1f} ms; "
          f"first retries {retries['first_retries_successful']} of {retries['first_retries']}")

# 1,000 connections that are mostly idle (R197): users who think. `load_test.py 10000` opens as many.
connections = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
ramp = connections / 50
with Server("--cache.enabled", "false", "--server.connections_max", str(connections + 100), "--server.keep_alive_ms", "3600000") as server:
    most, is_over = [0], threading.Event()
    before = total(server.metrics(), "llm_http_connections_accepted_total")

    def watch():
        while not is_over.wait(0.2):
            most[0] = max(most[0], total(server.metrics(), "llm_http_connections"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, report = load(server.url, "--concurrency", str(connections), "--think-ms", "3600000", "--warmup", str(ramp), "--duration", "1", "--retry", "50",
                         "--prompt-tokens", "fixed:4", "--output-tokens", "fixed:1", timeout=ramp + 120)
    finally:
        is_over.set()
        watcher.join()
    sent, served, failed = (sum(phase[what] for phase in report["phases"]) for what in ("sent", "served", "failed"))
    accepted = total(server.metrics(), "llm_http_connections_accepted_total") - before
    expect(sent == served == connections and failed == 0, f"{connections} users ask once each: sent {sent}, served {served}, failed {failed}")
    expect(most[0] == accepted == connections, f"all at once: {most[0]:.0f} open at most, {accepted:.0f} accepted")
    print(f"{connections} connections: served {served}, open at once {most[0]:.0f}, accepted {accepted:.0f}")

# Nobody there: exit code 1, and the report says why.
text, report = load(server.url, "--concurrency", "2", "-n", "4", expected=1)
expect("No successful requests" in text and "cannot connect: Connection refused" in report["errors"], f"R201: {report['errors']}")
print("ok")
