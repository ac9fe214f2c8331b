"""Starts the real binary on free ports for a test, and stops it. Every system test is a script that exits 0, 1 or 77 (skipped)."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "build/release/troupe"
SHARED = pathlib.Path(os.environ.get("TROUPE_SHARED_DIR", ROOT.parent / "shared"))
MODEL = pathlib.Path(os.environ.get("TROUPE_TEST_MODEL", ROOT / "models/SmolLM2-135M-Instruct.Q4_1.gguf"))


def skip(why):
    print("SKIPPED:", why)
    sys.exit(77)


def need_model():
    if not MODEL.exists():
        skip("no model file; ./quickstart --model-only fetches it")


def need_module(name):
    try:
        return __import__(name)
    except ImportError:
        skip(f"no Python module {name}; ./check installs it where PyPI is in reach")


class Server:
    """with Server("--threads", "2") as s: ... s.url, s.metrics_url, s.pid"""

    def __init__(self, *arguments, binary=BINARY, model=True, environment=None, wait_s=60):
        command = [str(binary), "serve"] if model else [str(binary)]
        if model:
            command += ["--model", str(MODEL)]
        command += ["--port", "0", "--metrics-port", "0", *arguments]
        env = {key: value for key, value in os.environ.items() if not key.startswith("TROUPE_")}
        env.update(environment or {})
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self.pid = self.process.pid
        self.lines = []
        self.url = self.metrics_url = None
        ready = threading.Event()

        def read():
            for line in self.process.stdout:
                self.lines.append(line)
                if match := re.search(r"metrics at (http://\S+)", line):
                    self.metrics_url = match.group(1)
                if match := re.search(r"serving at (http://\S+)", line):
                    self.url = match.group(1)
                    ready.set()
            ready.set()

        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()
        ready.wait(wait_s)
        if self.url is None:
            self.process.kill()
            raise SystemExit("the server did not start:\n" + "".join(self.lines))
        while time.monotonic() - self.started < wait_s:
            if self.get("/ready")[0] == 200:
                break
            time.sleep(0.01)
        self.ready_s = time.monotonic() - self.started

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise SystemExit("the server did not stop within 40 s of SIGTERM")
        self.reader.join(5)
        if self.process.returncode not in (0, 1):
            raise SystemExit(f"the server ended with {self.process.returncode}:\n" + "".join(self.lines[-50:]))

    def get(self, path):
        return self.ask("GET", path, None)

    def post(self, path, body, **headers):
        return self.ask("POST", path, body, **headers)

    def ask(self, method, path, body, **headers):
        """Returns (status, parsed JSON or text, headers)."""
        request = urllib.request.Request(self.url + path, method=method, headers={"Content-Type": "application/json", **headers},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                status, text, head = answer.status, answer.read().decode(), answer.headers
        except urllib.error.HTTPError as error:
            status, text, head = error.code, error.read().decode(), error.headers
        try:
            return status, json.loads(text), head
        except ValueError:
            return status, text, head

    def stream(self, path, body, timeout=120):
        """Yields (seconds since sent, parsed event) of a streamed answer; the last event is "[DONE]"."""
        request = urllib.request.Request(self.url + path, data=json.dumps({**body, "stream": True}).encode(),
                                         headers={"Content-Type": "application/json"})
        sent = time.monotonic()
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    data = line[6:].strip().decode()
                    yield time.monotonic() - sent, data if data == "[DONE]" else json.loads(data)

    def metrics(self):
        """{'name{labels}': value} of one scrape."""
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:
            text = answer.read().decode()
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def expect(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


def total(metrics, family):
    """The sum of a family's series over all labels."""
    return sum(value for name, value in metrics.items() if name == family or name.startswith(family + "{"))
