#!/usr/bin/env python3
"""Do batches that follow latency targets beat fixed ones on the real engine? The experiment behind docs/batching.md.

    bench/slo_experiment.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf            about 35 minutes
    bench/slo_experiment.py --model ... --smoke                                       two settings, a few seconds

First a closed loop measures the capacity of this machine; every scenario's trace is stretched to it. Then each block plays
one trace to every setting, in an order drawn anew, one of the settings twice: the difference of the two is what the machine's
noise alone makes. A setting is a server of its own, started for the run. All runs use the same targets.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
BINARY = ROOT / "build/release/troupe"
SIMULATED_CAPACITY = 3.8  # requests/s at load 1.0 of the cost model the traces are drawn for


class Server:
    def __init__(self, model, arguments):
        command = [str(BINARY), "serve", "--model", model, "--port", "0", "--metrics.enabled", "false",
                   "--cache.enabled", "false", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if match := re.search(r"serving at (http://\S+)", line):
                self.url = match.group(1)
                break
        else:
            sys.exit("the server did not start: " + " ".join(command))
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


def settings(targets):
    promise = ["--slo.ttft_ms", targets.ttft_ms, "--slo.ttft_ms_per_token", targets.ttft_ms_per_token, "--slo.itl_ms",
               targets.itl_ms]
    promise = [str(word) for word in promise]
    made = {"auto": promise}
    for chunk, sequences in ((64, 16), (128, 32), (256, 32), (512, 32)):
        fixed = ["--batching.mode", "fixed", "--batching.window_us", "0", "--batching.prefill_chunk_max", str(chunk),
                 "--batching.step_tokens_max", str(chunk + sequences), "--batching.sequences_max", str(sequences)]
        made[f"fixed {chunk}/{sequences}, with admission"] = fixed + promise
        made[f"fixed {chunk}/{sequences}, plain"] = fixed
    return made


def load(url, targets, arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [str(BINARY), "load", url, *map(str, arguments), "--ignore-eos", "--json", out.name, "--slo-ttft-ms",
                   str(targets.ttft_ms), "--slo-ttft-ms-per-token", str(targets.ttft_ms_per_token), "--slo-itl-ms",
                   str(targets.itl_ms)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            sys.exit(done.stderr)
        return json.load(open(out.name))


def capacity(model, requests, targets):
    """Requests/s of the mixed lengths that a plain engine finishes when all of them are there at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as trace:
        trace_of("poisson_high", requests, 99, 1.0, trace.name)
        head, *rows = open(trace.name).read().splitlines()
        open(trace.name, "w").write("\n".join([head] + ["0" + row[row.index(","):] for row in rows]) + "\n")
        with Server(model, ["--batching.mode", "fixed", "--batching.queue_max", "1000"]) as server:
            report = load(server.url, targets, ["--trace", trace.name])
    return report["requests"]["successful"] / report["seconds"]


def trace_of(scenario, requests, seed, stretch, path):
    subprocess.run([str(BINARY), "simulate", "--scenario", scenario, "--requests", str(requests), "--seed", str(seed),
                    "--write-trace", path], check=True, capture_output=True)
    head, *rows = open(path).read().splitlines()
    with open(path, "w") as out:
        print(head, file=out)
        for row in rows:
            arrival, rest = row.split(",", 1)
            print(f"{float(arrival) * stretch:.1f},{rest}", file=out)


def figures(report):
    total = report["requests"]["total"] or 1
    ms = report["seconds_of"]
    return {"good": 100 * report["goodput"]["requests"] / total,
            "soft": 100 * report["goodput"]["requests_by_mean_gap"] / total,
            "refused": 100 * report["requests"]["refused"] / total,
            "ttft_p99": 1000 * (ms["ttft"]["p99"] or 0), "itl_p99": 1000 * (ms["itl"]["p99"] or 0),
            "refusal_p99": 1000 * (ms["refusals"]["p99"] or 0)}


def interval(values):
    if len(values) < 2:
        return f"{values[0]:6.1f}"
    draws = sorted(statistics.mean(random.choices(values, k=len(values))) for _ in range(10_000))
    return f"{statistics.mean(values):6.1f} [{draws[250]:.1f}, {draws[9750]:.1f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--scenarios", default="step,gamma_cv4,mixshift,over2,day")
    parser.add_argument("--requests", type=int, default=150, help="of a trace")
    parser.add_argument("--blocks", type=int, default=2, help="seeds of each scenario")
    parser.add_argument("--only", default="", help="of the settings these, by semicolons")
    parser.add_argument("--ttft-ms", type=float, default=800)
    parser.add_argument("--ttft-ms-per-token", type=float, default=2)
    parser.add_argument("--itl-ms", type=float, default=80)
    parser.add_argument("--capacity", type=float, help="mixed requests/s of this machine, when it is known")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.smoke:
        options.scenarios, options.requests, options.blocks, options.only = "short", 10, 1, "auto;fixed 256/32, plain"
    wanted = [word for word in options.only.split(";") if word]
    compared = {name: flags for name, flags in settings(options).items() if not wanted or name in wanted}
    print("command:", " ".join(sys.argv))
    print("machine:", platform.processor() or platform.machine(), f"{len(os.sched_getaffinity(0))} cores",
          f"load average {os.getloadavg()[0]:.1f}")
    rate = SIMULATED_CAPACITY if options.smoke else options.capacity or capacity(options.model, 60, options)
    stretch = SIMULATED_CAPACITY / max(rate, 0.01)
    print(f"capacity: {rate:.2f} mixed requests/s; targets: first token {options.ttft_ms:.0f} ms + "
          f"{options.ttft_ms_per_token} a prompt token, gap {options.itl_ms:.0f} ms", flush=True)
    for scenario in options.scenarios.split(","):
        results = {name: [] for name in [*compared, "auto again"]}
        for block in range(1, options.blocks + 1):
            with tempfile.NamedTemporaryFile(suffix=".csv") as trace:
                trace_of(scenario, options.requests, block, stretch, trace.name)
                order = [*compared, *(["auto again"] if "auto" in compared else [])]
                random.shuffle(order)
                for name in order:
                    with Server(options.model, compared["auto" if name == "auto again" else name]) as server:
                        report = load(server.url, options, ["--trace", trace.name])
                    results[name].append(figures(report))
                    print(f"  {scenario} block {block} {name}: " +
                          ", ".join(f"{key} {value:.1f}" for key, value in results[name][-1].items()), flush=True)
        print(f"{scenario}: good % (mean over blocks), its difference to auto")
        for name, runs in results.items():
            if not runs:
                continue
            good = [run["good"] for run in runs]
            difference = [other["good"] - ours["good"] for other, ours in zip(runs, results["auto"])]
            print(f"  {name:32} {statistics.mean(good):5.1f}   {interval(difference)}   p99 first token "
                  f"{statistics.mean(run['ttft_p99'] for run in runs):7.0f} ms, gap "
                  f"{statistics.mean(run['itl_p99'] for run in runs):6.0f} ms")


if __name__ == "__main__":
    main()
