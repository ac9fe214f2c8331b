"""Contract 5: a 1 MB prompt and 200 readers that never read cost 8 other streams little: p99 between tokens < 1.5x of the 8 alone.

Rounds alone and beside alternate, and medians are compared: what else the machine does disturbs both alike. When five pairs
are above the limit, five more are added, and all ten decide.
"""
import http.client
import json
import socket
import statistics
import threading
import time
import urllib.parse

from server import Server, expect, need_model, percentile

need_model()
BIG_BODY = json.dumps({"prompt": "a b " * 262144, "max_tokens": 4}).encode()


def gaps_of_eight(server):
    """Seconds between the tokens of 8 concurrent streams."""
    gaps, lock = [], threading.Lock()

    def one(index):
        last = None
        for at, event in server.stream("/v1/completions", {"prompt": f"Story {index}: once", "max_tokens": 160, "temperature": 0, "ignore_eos": True}):
            if event == "[DONE]" or not event["choices"]:
                continue
            if last is not None:
                with lock:
                    gaps.append(at - last)
            last = at

    threads = [threading.Thread(target=one, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return gaps


def silent_reader(host, port):
    """A client with a small window that asks for a short stream and never reads it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect((host, port))
    body = json.dumps({"prompt": "Hi", "max_tokens": 1, "stream": True}).encode()
    connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return connection


with Server("--cache.enabled", "false", "--batching.queue_max", "512") as server:
    address = urllib.parse.urlparse(server.url)
    gaps_of_eight(server)  # warm
    answers, alone, beside = [], [], []

    def refused_prompt(connection):
        connection.request("POST", "/v1/completions", BIG_BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status

    def big_prompts(stop):
        connection = http.client.HTTPConnection(address.hostname, address.port)
        while not stop.wait(0.5):  # the client's own work must not be what is measured: it shares the cores
            answers.append(refused_prompt(connection))
        connection.close()

    def beside_others():
        readers = [silent_reader(address.hostname, address.port) for _ in range(200)]
        deadline = time.monotonic() + 60
        while server.metrics()["llm_requests_in_progress"] > 0 and time.monotonic() < deadline:
            time.sleep(0.1)  # their one token each is computed; what stays is 200 connections nobody reads
        stop = threading.Event()
        big = threading.Thread(target=big_prompts, args=(stop,))
        big.start()
        gaps = gaps_of_eight(server)
        stop.set()
        big.join()
        for connection in readers:
            connection.close()
        return gaps

    for pairs in (5, 5):
        for _ in range(pairs):
            alone.append(percentile(gaps_of_eight(server), 0.99) * 1e3)
            beside.append(percentile(beside_others(), 0.99) * 1e3)
        ratio = statistics.median(beside) / statistics.median(alone)
        print(f"p99 between tokens, ms: alone {[f'{p99:.1f}' for p99 in alone]}, beside {[f'{p99:.1f}' for p99 in beside]}, "
              f"ratio of medians {ratio:.2f}, {len(answers)} prompts of 1 MB")
        if ratio < 1.5:
            break
    expect(len(answers) >= len(beside) and set(answers) == {400}, f"a prompt beyond the context is refused: {answers[:5]}")
    expect(ratio < 1.5, f"p99 grows by {ratio:.2f}")
print("ok")
