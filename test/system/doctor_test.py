"""R003: `troupe doctor` names the bottleneck of a real server that was brought into it."""
import socket
import subprocess
import threading
import time

from server import BINARY, Server, expect, need_model

need_model()
LONG = {"temperature": 0, "ignore_eos": True}


def ask_doctor(server, window=3):
    result = subprocess.run([str(BINARY), "doctor", "--url", server.metrics_url, "--window", str(window)], capture_output=True, text=True, timeout=60)
    expect(result.returncode == 0, f"the doctor answers: {result.stderr}")
    return result.stdout


def under(server, count, body, expected, window=3, begin=lambda: time.sleep(2)):
    """Keeps `count` clients busy and returns what the doctor says meanwhile."""
    stop = threading.Event()

    def client(index):
        turn = 0
        while not stop.is_set():
            turn += 1
            status, answer, _ = server.post("/v1/completions", {**LONG, **body, "prompt": f"{index} {turn} " + body["prompt"]})
            if status == 429:
                time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    begin()
    report = ask_doctor(server, window)
    stop.set()
    for thread in threads:
        thread.join(120)
    print(report)
    expect(f"bottleneck: {expected}\n" in report, f"{expected} is named: {report}")
    return report


with Server("--cache.enabled", "false") as server:
    report = ask_doctor(server, window=1)
    expect("bottleneck: idle\n" in report, f"nothing to do: {report}")
    under(server, 4, {"prompt": "Once", "max_tokens": 200}, "decode")
    under(server, 4, {"prompt": "a long story about the sea and its ships " * 90, "max_tokens": 2}, "prefill")

with Server("--cache.enabled", "false", "--batching.sequences_max", "2") as server:
    expect("batching.sequences_max" in under(server, 10, {"prompt": "Once", "max_tokens": 100}, "queue"), "and the knob")

with Server("--cache.enabled", "false", "--batching.sequences_max", "2", "--batching.queue_max", "2") as server:
    under(server, 12, {"prompt": "Once", "max_tokens": 60}, "refusing")

with Server("--cache.enabled", "false", "--model.context", "1024", "--kv.memory", "16Mi") as server:
    def blocks_run_out():
        deadline = time.monotonic() + 90
        while server.metrics()["llm_preemptions_total"] == 0:
            expect(time.monotonic() < deadline, "somebody is preempted within 90 s")
            time.sleep(0.1)

    expect("kv.memory" in under(server, 8, {"prompt": "Once upon a time " * 10, "max_tokens": 700}, "kv_capacity", window=5, begin=blocks_run_out), "and the knob")

# Nobody there, and somebody else there.
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
result = subprocess.run([str(BINARY), "doctor", "--url", f"http://127.0.0.1:{port}/metrics"], capture_output=True, text=True, timeout=60)
expect(result.returncode == 1 and str(port) in result.stderr, f"nobody there: {result.stderr}")
with Server() as server:
    result = subprocess.run([str(BINARY), "doctor", "--url", server.url + "/health"], capture_output=True, text=True, timeout=60)
    expect(result.returncode == 2 and "no Prometheus metrics" in result.stderr, f"not metrics: {result.returncode} {result.stderr}")
result = subprocess.run([str(BINARY), "doctor", "--url", "ftp://x"], capture_output=True, text=True, timeout=60)
expect(result.returncode == 2, f"no URL: {result.stderr}")
print("ok")
