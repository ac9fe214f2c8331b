"""D5: clients that leave at any moment, in every way TCP has, on HTTP and WebSocket. Descriptors, connections, KV blocks, live requests
and memory return to where they were, and the answers of those who stay are byte-equal to a quiet server's. --count 10000 is the full form."""
import argparse
import base64
import collections
import json
import os
import pathlib
import random
import socket
import struct
import threading
import time
import urllib.parse

from server import Server, expect, need_model

parser = argparse.ArgumentParser()
parser.add_argument("--count", type=int, default=3000)
parser.add_argument("--seed", type=int, default=int(os.environ.get("TROUPE_SEED", time.time_ns() % 1_000_000)))
options = parser.parse_args()
need_model()

CLIENTS = 24  # that come and leave at a time: three times what runs at a time
KEY = "an-operators-key"
RSS_MORE = 4 << 20  # bytes, after both times the caches were dropped: what arenas keep of buffers that came and went
FREE_EPS = 0.02  # seconds beyond a step, for threads that wait for a core
SETTLE_S = 30
WORDS = "the cat sat on a mat and saw three old ships sail by under grey clouds while nobody spoke of rain".split()
WAYS = ["head", "body", "stream", "whole", "half close", "websocket"]
STAYING = [{"prompt": f"{name} walked along the river and", "max_tokens": 40, "temperature": 0, "ignore_eos": True, "logprobs": 2}
           for name in ("Anna", "Boris", "Chloe", "Deniz")]


def text_of(rng, words):
    return " ".join(rng.choice(WORDS) for _ in range(words))


def request_of(rng, stream):
    body = {"max_tokens": rng.randint(1, 120), "temperature": 0, "ignore_eos": True, "stream": stream, "n": rng.choice([1, 1, 1, 2])}
    words = rng.choice([1, 8, 60, 500])  # of 500 the prompt takes several steps
    if rng.random() < 0.5:
        return "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": text_of(rng, words)}]}
    return "/v1/completions", {**body, "prompt": text_of(rng, words)}


def http_bytes(path, body):
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode()
    return head, data


def frame(data, opcode=1):
    mask = os.urandom(4)
    length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + struct.pack("!H", len(data))
    return bytes([0x80 | opcode]) + length + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def read_for(connection, seconds):
    """Reads what comes for so long, or until the end."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if not connection.recv(4096):
                return
        except TimeoutError:
            return


def websocket(rng, connection):
    key = base64.b64encode(rng.randbytes(16)).decode()
    connection.sendall((f"GET /v1/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n").encode())
    if rng.random() < 0.1:
        return  # before the handshake is answered
    read_for(connection, 0.01)
    for index in range(rng.randint(1, 4)):
        submit = frame(json.dumps({"type": "submit", "id": f"g{index}", "request": request_of(rng, False)[1]}).encode())
        if rng.random() < 0.15:
            return connection.sendall(submit[:rng.randrange(len(submit))])
        connection.sendall(submit)
    read_for(connection, rng.uniform(0, 0.3))
    if rng.random() < 0.3:
        connection.sendall(frame(json.dumps({"type": "cancel", "id": "g0"}).encode()))
    if rng.random() < 0.3:
        connection.sendall(frame(struct.pack("!H", 1000), opcode=8))


def come_and_leave(rng, address, way):
    with socket.create_connection(address) as connection:
        if rng.random() < 0.5:  # a reset instead of an orderly end
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            if way == "websocket":
                return websocket(rng, connection)
            head, data = http_bytes(*request_of(rng, way != "whole"))
            if way == "head":
                connection.sendall(head[:rng.randrange(len(head))])
                return time.sleep(rng.uniform(0, 0.02))
            if way == "body":
                connection.sendall(head + data[:rng.randrange(len(data))])
                return time.sleep(rng.uniform(0, 0.02))
            connection.sendall(head + data)
            if way == "half close":
                connection.shutdown(socket.SHUT_WR)
            read_for(connection, rng.choice([0, rng.uniform(0, 0.02), rng.uniform(0, 0.5)]))
        except (ConnectionResetError, BrokenPipeError):
            pass  # the server had answered and closed first


def leavers(address, count, seed):
    """So many disconnects by CLIENTS threads; how many of each way."""
    done, lock, left = collections.Counter(), threading.Lock(), iter(range(count))

    def one(own_seed):
        rng = random.Random(own_seed)
        while True:
            with lock:
                if next(left, None) is None:
                    return
            way = rng.choice(WAYS)
            come_and_leave(rng, address, way)
            with lock:
                done[way] += 1

    threads = [threading.Thread(target=one, args=(seed * 1000 + index,)) for index in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def answer(server, body, streamed):
    """What of an answer does not depend on the time or on a request's name."""
    if not streamed:
        status, whole, _ = server.post("/v1/completions", body)
        expect(status == 200, f"a neighbour is answered: {status} {whole}")
        return {"text": whole["choices"][0]["text"], "logprobs": whole["choices"][0]["logprobs"]["token_logprobs"]}
    text, logprobs = "", []
    for _, event in server.stream("/v1/completions", body):
        if event != "[DONE]" and event["choices"]:
            choice = event["choices"][0]
            text += choice["text"]
            logprobs += (choice.get("logprobs") or {}).get("token_logprobs", [])
    return {"text": text, "logprobs": logprobs}


def neighbours(server, quiet, stop, answers, wrong):
    def one(index):
        rounds = 0
        while not stop.is_set():
            try:
                found = answer(server, STAYING[index], streamed=rounds % 2 == 0)
            except SystemExit as failed:
                found = str(failed)
            except OSError as failed:
                found = repr(failed)
            answers.append(index)
            if found != quiet[index]:
                wrong.append((index, found))
            rounds += 1

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(STAYING))]
    for thread in threads:
        thread.start()
    return threads


def expect_soon(is_true, what):
    until = time.monotonic() + SETTLE_S
    while not is_true():
        expect(time.monotonic() < until, f"within {SETTLE_S} s: {what}")
        time.sleep(0.05)


def touch_kv(server):
    """One sequence that takes nearly all blocks: the pages of the pool are resident from here on."""
    positions = int(16 * sum(value for name, value in server.metrics().items() if name.startswith("llm_kv_blocks{")))
    words = text_of(random.Random(1), positions - 200)  # about a token each
    status, whole, _ = server.post("/v1/completions", {"prompt": words, "max_tokens": 8})
    expect(status == 200 and whole["usage"]["prompt_tokens"] > 0.85 * positions, f"the long prompt is answered: {status} {whole}")


def settled(server):
    """Waits until nobody is served, drops the caches and says what the process holds."""
    gone = ("llm_requests_in_progress", "llm_queue_requests", "llm_running_sequences", 'llm_kv_blocks{state="referenced"}',
            "llm_http_connections", "llm_websocket_connections")
    for name in gone:
        expect_soon(lambda: server.metrics()[name] == 0, f"{name} is 0")
    status, report, _ = server.post("/admin/v1/trim", {}, Authorization=f"Bearer {KEY}")
    expect(status == 200, f"trim: {status} {report}")
    expect_soon(lambda: server.metrics()["llm_http_connections"] == 0, "the connection of the trim is closed")
    metrics = server.metrics()
    time.sleep(0.5)  # the connection of the scrape is closed
    process = pathlib.Path(f"/proc/{server.pid}")
    rss = next(int(line.split()[1]) << 10 for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return {"fds": len(list((process / "fd").iterdir())), "threads": len(list((process / "task").iterdir())), "rss": rss,
            "blocks": sum(value for name, value in metrics.items() if name.startswith("llm_kv_blocks{"))}, metrics


def quantile(before, after, family, share):
    """The bound of the bucket the quantile of what came between two scrapes is in."""
    start = family + '_bucket{le="'
    counts = sorted((float(name[len(start):-2]), value - before[name]) for name, value in after.items() if name.startswith(start))
    expect(counts[-1][1] > 0, f"{family} has observations")
    return next(bound for bound, count in counts if count >= share * counts[-1][1])


def main():
    # A small KV pool: sequences are preempted.
    flags = ["--cache.enabled", "false", "--batching.sequences_max", "8", "--kv.memory", "24Mi", "--server.admin_key", KEY]
    with Server(*flags) as server:
        at = urllib.parse.urlparse(server.url)
        address = (at.hostname, at.port)
        quiet = [answer(server, body, False) for body in STAYING]
        for body, whole in zip(STAYING, quiet):
            expect(len(whole["logprobs"]) == body["max_tokens"], f"an answer has all its tokens: {whole}")
        touch_kv(server)
        stop, answers, wrong = threading.Event(), [], []
        staying = neighbours(server, quiet, stop, answers, wrong)
        warm = max(200, min(options.count // 4, 1000))
        leavers(address, warm, options.seed)
        stop.set()
        [thread.join() for thread in staying]
        before, before_metrics = settled(server)

        stop.clear()
        staying = neighbours(server, quiet, stop, answers, wrong)
        began = time.monotonic()
        ways = leavers(address, options.count, options.seed + 1)
        took = time.monotonic() - began
        stop.set()
        [thread.join() for thread in staying]
        after, after_metrics = settled(server)
        free = quantile(before_metrics, after_metrics, "llm_cancel_to_free_seconds", 0.99)
        step = quantile(before_metrics, after_metrics, "llm_step_seconds", 0.99)
        cancelled = sum(value - before_metrics.get(name, 0) for name, value in after_metrics.items() if name.startswith("llm_cancellations_total"))
        print(f"seed {options.seed}: {options.count} disconnects in {took:.0f} s {dict(ways)}, {cancelled:.0f} sequences cancelled, "
              f"{len(answers)} answers of neighbours")
        print(f"before {before}\nafter  {after}\ncancel to free p99 <= {free} s, step p99 <= {step} s")

        expect(not wrong, f"{len(wrong)} of {len(answers)} answers of neighbours differ, the first: {wrong[:1]}")
        expect(len(answers) > 2 * len(STAYING), "neighbours were served meanwhile")
        expect(sum(ways.values()) == options.count and min(ways[way] for way in WAYS) > 0, f"every way was taken: {ways}")
        expect(cancelled > options.count / 4, f"clients left running requests: {cancelled}")
        expect(after["fds"] == before["fds"], "descriptors are given back")
        expect(after["threads"] == before["threads"], "threads are as many as before")
        expect(after["blocks"] == before["blocks"], "free + cached + referenced stays the total")
        expect(after["rss"] - before["rss"] < RSS_MORE, f"memory is given back: {(after['rss'] - before['rss']) >> 10} KiB more")
        expect(free <= step + FREE_EPS, f"blocks of who left are free within a step: p99 {free} s, a step {step} s")
        expect(after_metrics["llm_executor_restarts_total"] == 0, "nothing died")
    print("ok")


main()
