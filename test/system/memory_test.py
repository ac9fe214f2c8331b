"""D17: one limit over all memory that grows with clients: it holds, what gives way does so in the published order, readers that read are not hurt.

`--long` goes on for 10 minutes (or `--long SECONDS`) and prints what it saw every 10 s."""
import json
import pathlib
import random
import socket
import sys
import threading
import time
import urllib.parse

from server import Server, expect, need_model

need_model()
LONG_S = (float(sys.argv[2]) if len(sys.argv) > 2 else 600.0) if "--long" in sys.argv else 0.0
MIB = 1 << 20
LIMIT = 64 * MIB
STEPS = ("result_cache", "slow_reader", "refusal")  # the published order
TEXT = "a b c d " * 16000  # an answer of 700 KB, more than the kernel takes for a client that does not read
SETTINGS = ("--memory.limit", "64Mi", "--server.body_max", "1Mi", "--kv.memory", "16Mi", "--batching.queue_max", "512", "--cache.memory", "16Mi")


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Watch(threading.Thread):
    """Samples the resident size and the metrics; keeps the largest size and when each step was first seen."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stop, self.peak, self.peak_taken, self.first = server, threading.Event(), 0, 0, {}
        self.began = server.metrics()

    def run(self):
        turn = 0
        while not self.stop.is_set():
            self.peak = max(self.peak, resident(self.server.pid))
            if turn % 3 == 0:
                values = self.server.metrics()
                self.peak_taken = max(self.peak_taken, sum(values[name] for name in values if name.startswith("llm_memory_bytes{")))
                for step in STEPS:
                    name = f'llm_memory_degraded_total{{step="{step}"}}'
                    if values[name] > self.began[name]:
                        self.first.setdefault(step, turn)
            turn += 1
            self.stop.wait(0.01)


class Attack:
    """Connections that do not do what a client should; closed when the attack ends."""

    def __init__(self, server):
        address = urllib.parse.urlparse(server.url)
        self.at, self.sockets, self.answers = (address.hostname, address.port), [], []

    def connect(self):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.settimeout(5)
        connection.connect(self.at)
        self.sockets.append(connection)
        return connection

    def ask(self, path, body, sent=None, claimed=None):
        """Sends a request, or the first `sent` bytes of its body, and never reads."""
        data = json.dumps(body).encode() if not isinstance(body, bytes) else body
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {claimed or len(data)}\r\n\r\n"
        try:
            connection = self.connect()
            connection.sendall(head.encode() + data[:sent])
        except OSError:
            pass  # it was refused or cut off: that is what is expected of the server
        return self

    def silent_tokenize(self):
        self.ask("/tokenize", {"prompt": TEXT, "return_token_strs": True})

    def silent_stream(self):
        self.ask("/v1/completions", {"prompt": f"Once {random.random()}", "max_tokens": 24, "stream": True, "logprobs": 10, "ignore_eos": True})

    def waiting_prompt(self):
        self.ask("/v1/completions", {"prompt": f"{random.random()} " + "a b c d " * 100, "max_tokens": 4})

    def half_a_body(self):
        self.ask("/v1/completions", b'{"prompt":"' + b"x" * (900 << 10), claimed=1000 << 10)

    def chunked_body(self):
        try:
            connection = self.connect()
            connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(12):
                connection.sendall(b"10000\r\n" + b"[" * 65536 + b"\r\n")
        except OSError:
            pass

    def many_values(self):
        self.ask("/v1/completions", b'{"prompt":[' + b"0," * 300_000 + b"0]}")

    def pipelined(self):
        self.ask("/v1/completions", {"prompt": f"{random.random()}", "max_tokens": 64, "ignore_eos": True})
        try:
            self.sockets[-1].sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 90_000)
        except OSError:
            pass

    def end(self):
        for connection in self.sockets:
            connection.close()
        self.sockets = []


def together(*calls):
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def text_of(server, prompt, tokens):
    """What a reader that reads gets: the text, or what went wrong."""
    text = ""
    for _, event in server.stream("/v1/completions", {"prompt": prompt, "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "seed": 1}):
        if event == "[DONE]":
            return text
        if "error" in event:
            return event
        text += "".join(choice["text"] for choice in event["choices"])
    return text + " (cut off)"


class Readers:
    """Clients that read: begun before an attack, they end with what they get without one."""

    def __init__(self, server, wanted):
        self.wanted, self.got = wanted, {}
        self.threads = [threading.Thread(target=self.read, args=(server, prompt)) for prompt in wanted]
        for thread in self.threads:
            thread.start()

    def read(self, server, prompt):
        self.got[prompt] = text_of(server, prompt, 96)

    def check(self):
        for thread in self.threads:
            thread.join(120)
        for prompt, text in self.wanted.items():
            expect(self.got.get(prompt) == text, f"a reader that reads gets its tokens: {prompt!r}: {self.got.get(prompt)!r} instead of {text!r}")


def calm_again(server, what):
    deadline = time.monotonic() + 30
    while True:
        values = server.metrics()
        rest = {name: value for name, value in values.items() if name.startswith("llm_memory_bytes{") and "result_cache" not in name}
        # What is left is this test's own connections.
        if sum(rest.values()) <= 4 * 32 * 1024 and values["llm_memory_level"] == 0 and values["llm_requests_in_progress"] == 0:
            return
        expect(time.monotonic() < deadline, f"{what}: everything comes back: {rest}")
        time.sleep(0.05)


def storm(server, attack, seed):
    """Hundreds of clients that never read or never finish, in random order."""
    rng = random.Random(seed)
    kinds = [attack.silent_stream] * 70 + [attack.silent_tokenize] * 60 + [attack.half_a_body] * 40 + [attack.waiting_prompt] * 30
    kinds += [attack.chunked_body] * 10 + [attack.many_values] * 10 + [attack.pipelined] * 40
    rng.shuffle(kinds)
    parts = [kinds[i::8] for i in range(8)]
    together(*[lambda part=part: [kind() for kind in part] for part in parts])


with Server(*SETTINGS, "--cache.enabled", "true") as server:
    prompts = [f"Reader {index} asks for a story:" for index in range(4)]
    uncached = {prompt: text_of(server, prompt, 96) for prompt in prompts}
    for index in range(6):  # touches the KV pool, whose memory is planned
        server.post("/v1/completions", {"prompt": f"{index} " + "word " * 500, "max_tokens": 2, "temperature": 0})
    together(*[lambda index=index: server.post("/v1/completions", {"prompt": f"Keep {index}", "max_tokens": 24, "temperature": 0, "logprobs": 20}) for index in range(16)])
    server.post("/tokenize", {"prompt": TEXT, "return_token_strs": True})
    baseline = resident(server.pid)
    stored = server.metrics()['llm_memory_bytes{use="result_cache"}']
    expect(stored > 64 << 10, f"answers are stored: {stored} bytes")
    watch = Watch(server)
    watch.start()

    # More and more clients that never read: the cache gives way, then they are cut off.
    attack = Attack(server)
    deadline = time.monotonic() + 30
    while "slow_reader" not in watch.first and time.monotonic() < deadline:
        attack.silent_tokenize()
        time.sleep(0.4 if "result_cache" in watch.first else 0.1)  # slower than they are cut off
    expect("slow_reader" in watch.first, f"readers that do not read are cut off: {watch.first}")

    # Now everything at once, beside readers that read.
    readers = Readers(server, uncached)
    while server.metrics()["llm_running_sequences"] < len(prompts) and any(thread.is_alive() for thread in readers.threads):
        time.sleep(0.01)
    storm(server, attack, 1)
    readers.check()
    attack.end()
    calm_again(server, "after the storm")
    watch.stop.set()
    watch.join()
    expect(sorted(watch.first, key=watch.first.get) == list(STEPS) and len(set(watch.first.values())) == len(STEPS), f"in the published order: {watch.first}")
    grown, taken = watch.peak - baseline, server.metrics()["llm_memory_peak_bytes"]
    print(f"baseline {baseline / MIB:.1f} MiB, peak +{grown / MIB:.1f} MiB of {LIMIT // MIB}, taken at most {taken / MIB:.1f} MiB, afterwards {(resident(server.pid) - baseline) / MIB:+.1f} MiB")
    expect(taken <= 0.9 * LIMIT, f"never more than nine tenths are given: {taken}")
    expect(grown <= LIMIT, f"the resident size stays under plan and limit: {grown} bytes more than before, the limit is {LIMIT}")

    # It serves as before.
    again = {prompt: text_of(server, prompt, 96) for prompt in prompts}
    expect(again == uncached, "the same answers as before")
    expect(resident(server.pid) - baseline <= LIMIT // 2, f"memory has come back: {(resident(server.pid) - baseline) / MIB:.1f} MiB more than before")

    started, rounds = time.monotonic(), 0
    said = started
    while time.monotonic() - started < LONG_S:
        watch = Watch(server)
        watch.start()
        readers = Readers(server, uncached)
        time.sleep(0.5)
        storm(server, attack, rounds)
        readers.check()
        attack.end()
        calm_again(server, f"round {rounds}")
        watch.stop.set()
        watch.join()
        rounds += 1
        expect(watch.peak - baseline <= LIMIT, f"round {rounds}: {(watch.peak - baseline) / MIB:.1f} MiB more than before")
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"{said - started:.0f} s, {rounds} rounds: peak +{(watch.peak - baseline) / MIB:.1f} MiB, now {(resident(server.pid) - baseline) / MIB:+.1f} MiB", flush=True)
print("ok")
