#!/usr/bin/env python3
"""A small server with OpenAI's API around OpenVINO GenAI: openvino_server.py MODEL PORT THREADS

OpenVINO's own server is in no package index. This one gives its continuous batching to as many clients; above it is one
Python loop. It knows what compare_peers.py asks for: /v1/models, and /v1/completions, greedy, whole or streamed.
"""
import itertools
import json
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openvino_genai

ANSWER_S = 600  # a client waits no longer for the next token
TAIL = 8  # tokens decoded with a new one: enough for every character that spans tokens


class Engine:
    """One thread steps the pipeline; every request has a queue of its own, None is the end of the answer."""

    def __init__(self, model, threads):
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_seqs, scheduler.max_num_batched_tokens = 2, 64, 1024  # GiB, -, -
        scheduler.enable_prefix_caching = False
        self.pipeline = openvino_genai.ContinuousBatchingPipeline(model, scheduler, "CPU",
                                                                  {"INFERENCE_NUM_THREADS": threads})
        self.tokenizer = self.pipeline.get_tokenizer()
        self.arrivals, self.numbers = queue.Queue(), itertools.count()
        threading.Thread(target=self.work, daemon=True).start()

    def ask(self, ids, count, ignore_eos):
        answer = queue.Queue()
        settings = openvino_genai.GenerationConfig(max_new_tokens=count, ignore_eos=ignore_eos, do_sample=False)
        self.arrivals.put((ids, settings, answer))
        while (tokens := answer.get(timeout=ANSWER_S)) is not None:
            yield tokens

    def work(self):
        running = []
        while True:
            while not running or not self.arrivals.empty():
                ids, settings, answer = self.arrivals.get()
                running.append((self.pipeline.add_request(next(self.numbers), ids, settings), answer))
            self.pipeline.step()
            for handle, answer in running:
                if handle.can_read():
                    answer.put([token for output in handle.read().values() for token in output.generated_ids])
            ended = [handle.get_status() != openvino_genai.GenerationStatus.RUNNING for handle, _ in running]
            for (_, answer), is_ended in zip(running, ended):
                if is_ended:
                    answer.put(None)
            running = [pair for pair, is_ended in zip(running, ended) if not is_ended]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.whole({"object": "list", "data": [{"id": "model", "object": "model"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tokenizer = self.server.engine.tokenizer
        ids = tokenizer.encode(asked["prompt"], add_special_tokens=False).input_ids
        stream, made, text = asked.get("stream", False), [], ""
        if stream:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
        for tokens in self.server.engine.ask(ids, asked.get("max_tokens", 16), asked.get("ignore_eos", False)):
            known = made[-TAIL:]
            made += tokens
            piece = tokenizer.decode(known + tokens)[len(tokenizer.decode(known)) if known else 0:]
            text += piece
            if stream and piece:
                self.event(self.completion(piece, None))
        end = self.completion("" if stream else text, "length" if len(made) == asked.get("max_tokens", 16) else "stop")
        end["usage"] = {"prompt_tokens": ids.shape[1], "completion_tokens": len(made),
                        "total_tokens": ids.shape[1] + len(made)}
        if not stream:
            return self.whole(end)
        self.event(end)
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    @staticmethod
    def completion(text, reason):
        return {"id": "cmpl", "object": "text_completion", "model": "model",
                "choices": [{"index": 0, "text": text, "finish_reason": reason}]}

    def event(self, value):
        self.chunk(b"data: " + json.dumps(value).encode() + b"\n\n")

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def whole(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 256


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
    server.engine = Engine(sys.argv[1], int(sys.argv[3]))
    server.serve_forever()
