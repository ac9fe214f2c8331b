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
import math
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


def capacity(model, requests, targets, lengths):
    """Requests/s of the mixed lengths that a plain engine finishes when all of them are there at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as trace:
        trace_of("poisson_high", requests, 99, 1.0, trace.name, lengths)
        head, *rows = open(trace.name).read().splitlines()
        open(trace.name, "w").write("\n".join([head] + ["0" + row[row.index(","):] for row in rows]) + "\n")
        with Server(model, ["--batching.mode", "fixed", "--batching.queue_max", "1000"]) as server:
            report = load(server.url, targets, ["--trace", trace.name])
    return report["requests"]["successful"] / report["seconds"]


def trace_of(scenario, requests, seed, stretch, path, lengths=1.0):
    subprocess.run([str(BINARY), "simulate", "--scenario", scenario, "--requests", str(requests), "--seed", str(seed),
                    "--write-trace", path], check=True, capture_output=True)
    head, *rows = open(path).read().splitlines()
    with open(path, "w") as out:
        print(head, file=out)
        for row in rows:
            arrival, prompt, output, tenant = row.split(",", 3)
            print(f"{float(arrival) * stretch:.1f},{max(1, round(int(prompt) * lengths))},"
                  f"{max(1, round(int(output) * lengths))},{tenant}", file=out)


def figures(report):
    total = report["requests"]["total"] or 1
    ms = report["seconds_of"]
    return {"requests": total, "good": 100 * report["goodput"]["requests"] / total,
            "soft": 100 * report["goodput"]["requests_by_mean_gap"] / total,
            "refused": 100 * report["requests"]["refused"] / total,
            "ttft_p99": 1000 * (ms["ttft"]["p99"] or 0), "itl_p99": 1000 * (ms["itl"]["p99"] or 0),
            "refusal_p99": 1000 * (ms["refusals"]["p99"] or 0)}


def difference(theirs, ours):
    """Of the shares of good requests, in points: mean over blocks and its 95 % interval by a bootstrap over blocks and over the
    requests in each (not paired by request, so rather too wide)."""
    def drawn(run):
        share = run["good"] / 100
        return random.gauss(share, math.sqrt(share * (1 - share) / max(run["requests"], 1)))

    pairs = list(zip(theirs, ours))
    mean = statistics.mean(their["good"] - our["good"] for their, our in pairs)
    draws = sorted(100 * statistics.mean(drawn(their) - drawn(our) for their, our in random.choices(pairs, k=len(pairs)))
                   for _ in range(10_000))
    return f"{mean:6.1f} [{draws[250]:.1f}, {draws[9750]:.1f}]"


def report_on(what, results):
    print(f"{what}: good % (mean over blocks), its difference to auto with its 95 % interval")
    for name, runs in results.items():
        if not runs:
            continue
        good = statistics.mean(run["good"] for run in runs)
        print(f"  {name:32} {good:5.1f}   {difference(runs, results['auto'])}   p99 first token "
              f"{statistics.mean(run['ttft_p99'] for run in runs):7.0f} ms, gap "
              f"{statistics.mean(run['itl_p99'] for run in runs):6.0f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--scenarios", default="step,gamma_cv4,mixshift,over2,day")
    parser.add_argument("--requests", type=int, default=150, help="of a trace")
    parser.add_argument("--blocks", type=int, default=2, help="seeds of each scenario")
    parser.add_argument("--only", default="", help="of the settings these, by semicolons")
    parser.add_argument("--ttft-ms", type=int, default=800)
    parser.add_argument("--ttft-ms-per-token", type=float, default=2)
    parser.add_argument("--itl-ms", type=int, default=80)
    parser.add_argument("--lengths", type=float, default=1.0, help="of prompts and answers, in times of the scenario's")
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
    rate = SIMULATED_CAPACITY if options.smoke else options.capacity or capacity(options.model, 100, options, options.lengths)
    stretch = SIMULATED_CAPACITY / max(rate, 0.01)
    print(f"capacity: {rate:.2f} mixed requests/s; targets: first token {options.ttft_ms:.0f} ms + "
          f"{options.ttft_ms_per_token} a prompt token, gap {options.itl_ms:.0f} ms", flush=True)
    everything = {name: [] for name in [*compared, "auto again"]}
    for scenario in options.scenarios.split(","):
        results = {name: [] for name in [*compared, "auto again"]}
        for block in range(1, options.blocks + 1):
            with tempfile.NamedTemporaryFile(suffix=".csv") as trace:
                trace_of(scenario, options.requests, block, stretch, trace.name, options.lengths)
                order = [*compared, *(["auto again"] if "auto" in compared else [])]
                random.shuffle(order)
                for name in order:
                    with Server(options.model, compared["auto" if name == "auto again" else name]) as server:
                        report = load(server.url, options, ["--trace", trace.name])
                    results[name].append(figures(report))
                    print(f"  {scenario} block {block} {name}: " +
                          ", ".join(f"{key} {value:.1f}" for key, value in results[name][-1].items()), flush=True)
        report_on(scenario, results)
        for name, runs in results.items():
            everything[name] += runs
    report_on("all scenarios", everything)


if __name__ == "__main__":
    main()
