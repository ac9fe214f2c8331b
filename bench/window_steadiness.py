#!/usr/bin/env python3
"""Is the window steady at constant load, and how soon does its model of step times follow a machine that becomes slower?

    bench/window_steadiness.py --model models/SmolLM2-135M-Instruct.Q4_1.gguf            about 6 minutes
    bench/window_steadiness.py --model ... --smoke                                       some seconds

Claims (d) and (e) of the experiment behind docs/batching.md, on the real engine: a server with targets under an open loop of a
constant rate; the trim of its gap target and the error of its step model are read from its metrics. In the middle of the second
part as many busy processes start as there are cores, pinned to the same cores, and every step takes about twice its time.
"""
import argparse
import multiprocessing
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

from slo_experiment import BINARY

INTERVAL_S = 0.25
NAMES = ("llm_gap_trim", "llm_step_model_error", "llm_step_model_gain", "llm_step_seconds_count")
STEPS_ALLOWED = 40  # within so many after the change the error is to be below ERROR_ALLOWED again
ERROR_ALLOWED = 0.10
CV_ALLOWED = 0.05
PEAK_ALLOWED = 0.5  # of the autocorrelation, where it rises again after it has fallen


class Server:
    def __init__(self, options):
        command = [str(BINARY), "serve", "--model", options.model, "--port", "0", "--metrics-port", "0", "--cache.enabled", "false",
                   "--slo.ttft_ms", "1000", "--slo.itl_ms", str(options.itl_ms)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        found = {}
        for line in self.process.stdout:
            if match := re.search(r"(metrics|serving) at (http://\S+)", line):
                found[match.group(1)] = match.group(2)
            if len(found) == 2:
                break
        else:
            sys.exit("the server did not start: " + " ".join(command))
        self.url, self.metrics_url = found["serving"], found["metrics"]
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()

    def read(self):
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            text = answer.read().decode()
        return {name: float(re.search(rf"^{name} (\S+)$", text, re.M).group(1)) for name in NAMES}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def under_load(server, rate, seconds, watch):
    """Samples of the metrics while `troupe load` runs; watch(sample) sees each as it comes."""
    command = [str(BINARY), "load", server.url, "--rate", str(rate), "--duration", str(seconds), "--ignore-eos",
               "--prompt-tokens", "uniform:50,200", "--output-tokens", "uniform:30,90"]
    load = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    samples = []
    while load.poll() is None:
        samples.append(server.read())
        watch(samples[-1])
        time.sleep(INTERVAL_S)
    return samples


def capacity(server, seconds):
    command = [str(BINARY), "load", server.url, "--concurrency", "24", "--duration", str(seconds), "--ignore-eos",
               "--prompt-tokens", "uniform:50,200", "--output-tokens", "uniform:30,90"]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    match = re.search(r"Throughput: ([\d.]+) req/s", said)
    if not match:
        sys.exit(f"no rate in what troupe load said:\n{said}")
    return float(match.group(1))


def highest_return(values):
    """The highest autocorrelation after it first fell below 0, and its lag; 0 when it never comes back."""
    mean = statistics.mean(values)
    centred = [value - mean for value in values]
    power = sum(value * value for value in centred)
    if power == 0:
        return 0.0, 0
    best, at, has_fallen = 0.0, 0, False
    for lag in range(1, len(values) // 2):
        r = sum(a * b for a, b in zip(centred, centred[lag:])) / power
        has_fallen = has_fallen or r < 0
        if has_fallen and r > best:
            best, at = r, lag
    return best, at


def burn(core):
    os.sched_setaffinity(0, {core})
    while True:
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--itl-ms", type=int, default=80)
    parser.add_argument("--load", type=float, default=0.7, help="of the capacity that is measured first")
    parser.add_argument("--seconds", type=int, default=120, help="of each of the two parts")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    seconds = 4 if options.smoke else options.seconds
    print("command:", " ".join(sys.argv))
    print("machine:", platform.processor() or platform.machine(), f"{len(os.sched_getaffinity(0))} cores",
          f"load average {os.getloadavg()[0]:.1f}")
    with Server(options) as server:
        rate = 5.0 if options.smoke else options.load * capacity(server, 30)
        print(f"constant rate: {rate:.2f} requests/s" + ("" if options.smoke else f", {100 * options.load:.0f} % of a closed loop's"),
              flush=True)
        steady = under_load(server, rate, seconds, lambda sample: None)[0 if options.smoke else int(30 / INTERVAL_S):]
        trims = [sample["llm_gap_trim"] for sample in steady]
        cv = statistics.pstdev(trims) / statistics.mean(trims)
        peak, lag = highest_return(trims)
        print(f"(e) trim: mean {statistics.mean(trims):.3f}, cv {cv:.4f} (asked for below {CV_ALLOWED}), autocorrelation comes back to "
              f"{peak:.2f} at {lag * INTERVAL_S:.1f} s (asked for no peak; {PEAK_ALLOWED} is called one here)")
        print(f"    model error: median {100 * statistics.median(sample['llm_step_model_error'] for sample in steady):.1f} %, gain "
              f"{min(sample['llm_step_model_gain'] for sample in steady):.2f} to {max(sample['llm_step_model_gain'] for sample in steady):.2f}",
              flush=True)

        cores = [] if options.smoke else sorted(os.sched_getaffinity(0))  # smoke runs beside other tests
        hogs, begun, changed, settled = [], time.monotonic(), None, None

        def watch(sample):
            nonlocal changed, settled
            if changed is None and time.monotonic() - begun > seconds / 2:
                hogs.extend(multiprocessing.Process(target=burn, args=(core,), daemon=True) for core in cores)
                for hog in hogs:
                    hog.start()
                changed = sample["llm_step_seconds_count"]
            elif changed is not None and settled is None and sample["llm_step_model_error"] < ERROR_ALLOWED:
                if sample["llm_step_seconds_count"] >= changed + 10:  # the mean of lately has heard of it
                    settled = sample["llm_step_seconds_count"] - changed

        throttled = under_load(server, rate / 2.5, seconds, watch)
        for hog in hogs:
            hog.kill()
        late = [sample for sample in throttled if changed is not None and sample["llm_step_seconds_count"] > changed]
        before = [sample for sample in throttled if sample not in late]
        if not before or not late:
            sys.exit("no steps were seen before and after the change" if not options.smoke else 0)
        print(f"(d) throttle: gain {statistics.median(sample['llm_step_model_gain'] for sample in before):.2f} before, "
              f"{statistics.median(sample['llm_step_model_gain'] for sample in late):.2f} after; error "
              f"{100 * statistics.median(sample['llm_step_model_error'] for sample in before):.1f} % before, at most "
              f"{100 * max(sample['llm_step_model_error'] for sample in late):.1f} %, median "
              f"{100 * statistics.median(sample['llm_step_model_error'] for sample in late):.1f} % after; below "
              f"{100 * ERROR_ALLOWED:.0f} % again " + (f"after {settled:.0f} steps" if settled is not None else "not at all") +
              f" (asked for: {STEPS_ALLOWED})")


if __name__ == "__main__":
    main()
