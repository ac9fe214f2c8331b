#!/usr/bin/env python3
"""Troupe and the peers that a user would pick on a CPU, measured in one run, interleaved round by round.

    bench/compare_peers.py install PEER --into build/peers     each of llamacpp, openvino, onnxruntime, vllm, convert
    bench/compare_peers.py convert --model FILE.gguf           every peer's model from that one file (by "convert")
    bench/compare_peers.py engines --model FILE.gguf           without servers: about 13 minutes a round on two cores
    bench/compare_peers.py servers --model FILE.gguf           over HTTP: about 16 (vLLM is half of both)
    bench/compare_peers.py --smoke --model FILE.gguf           seconds; Troupe beside a second Troupe

Engines: prefill is 512 / (time of 512 tokens in, 1 out), a new random prompt each time; B=n is n * 64 / (time for 65
tokens - time for 1) of n sequences that have 128 tokens already. Troupe's figures come from `troupe bench` (means
of its steps), llama.cpp's from llama-bench and llama-batched-bench, the rest from a
process in the peer's own environment (peer_programs.py).
Servers: a closed loop of n users, 128 tokens in, 64 out, --turns each, all by `troupe load`; no server keeps what it
has computed for one prompt for the next. ITL is between events.
"others" is the share of the CPUs that other programs and guests had meanwhile. A ratio is the median of the rounds'
ratios with the lowest and the highest; above 1 Troupe is better, for times too.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import peer_programs
from peer_programs import TROUPE, CpuShare, Failure, end, run

ENGINE_S, READY_S, LOAD_S = 1800, 900, 1800  # the longest that one process, one start, one load may take
LOAD_COLUMNS = ("tok/s", "TTFT p50 ms", "ITL p50 ms", "ITL p99 ms")
MODEL_TYPES = ("Q4_1", "Q4_0", "Q8_0")


@dataclasses.dataclass(frozen=True)
class Contestant:
    name: str
    peer: str  # "troupe" or a name of peer_programs
    model: str  # in PEERS/models
    is_ours: bool = False


TROUPES = [Contestant(f"Troupe {kind}", "troupe", f"{kind}.gguf", True) for kind in MODEL_TYPES]
PEERS = [
    *(Contestant(f"llama.cpp {kind}", "llamacpp", f"{kind}.gguf") for kind in MODEL_TYPES),
    Contestant("OpenVINO int8", "openvino", "openvino-int8"),
    Contestant("OpenVINO int4", "openvino", "openvino-int4"),
    Contestant("ONNX Runtime int4", "onnxruntime", "onnxruntime-int4"),
    Contestant("vLLM int8", "vllm", "vllm-int8"),
]
WITHOUT_SERVER = {"onnxruntime"}


class Results:
    """What each contestant did in each round, by column; ratios are made of figures of the same round."""

    def __init__(self, contestants):
        self.contestants = contestants
        self.figures = {contestant.name: {} for contestant in contestants}  # name, column, round: (value, others)
        self.failures = {}

    def add(self, round_number, name, column, value, others):
        self.figures[name].setdefault(column, {})[round_number] = (value, others)
        print(f"  round {round_number} {name}: {column} {value:.4g} (others {others:.0f} %)", flush=True)

    def median(self, name, column):
        rounds = self.figures[name].get(column, {}).values()
        return statistics.median(value for value, _ in rounds) if rounds else None

    def others(self, name, column):
        return statistics.median(others for _, others in self.figures[name][column].values())

    def ratio(self, ours, theirs, column):
        """(median, lowest, highest) over the rounds that have both, or nothing."""
        our, their = (self.figures[name].get(column, {}) for name in (ours, theirs))
        quotients = [our[i][0] / their[i][0] for i in our.keys() & their.keys() if our[i][0] and their[i][0]]
        if is_less_better(column):
            quotients = [1 / quotient for quotient in quotients]
        return (statistics.median(quotients), min(quotients), max(quotients)) if quotients else None

    def best_peer(self, column):
        found = [(self.median(peer.name, column), peer.name) for peer in self.contestants if not peer.is_ours]
        found = [(value, name) for value, name in found if value is not None]
        return (min if is_less_better(column) else max)(found)[1] if found else None

    def ratios(self, columns):
        """What is compared with whom: name, column: (median, lowest, highest)."""
        made = {}
        for ours in (contestant for contestant in self.contestants if contestant.is_ours):
            made[f"{ours.name} to best peer"] = {column: self.ratio(ours.name, peer, column) for column in columns
                                                 if (peer := self.best_peer(column))}
            for twin in self.contestants:
                if twin.model == ours.model and not twin.is_ours:
                    made[f"{ours.name} to {twin.name}"] = {column: self.ratio(ours.name, twin.name, column)
                                                           for column in columns}
        return made

    def print_table(self, title, columns):
        def line(name, cells):
            print(f"{name:32}" + "".join(f" {cell:>17}" for cell in cells))

        print(f"\n{title}")
        line("", columns)
        for name, figures in self.figures.items():
            line(name, [f"{self.median(name, column):.4g} ({self.others(name, column):.0f} %)"
                        if column in figures else "-" for column in columns])
        line("best peer", [self.best_peer(column) or "-" for column in columns])
        for name, row in self.ratios(columns).items():
            line(name, ["{} ({}-{})".format(*map(short, row[column])) if row.get(column) else "-"
                        for column in columns])

    def json(self, columns):
        figures = {name: {column: [{"round": i, "value": value, "others_percent": others}
                                   for i, (value, others) in rounds.items()] for column, rounds in row.items()}
                   for name, row in self.figures.items()}
        medians = {name: {column: self.median(name, column) for column in row} for name, row in self.figures.items()}
        best = {column: self.best_peer(column) for column in columns}
        return {"figures": figures, "medians": medians, "best_peer": best, "ratios": self.ratios(columns),
                "failures": self.failures}


def short(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def is_less_better(column):
    return not (column.startswith(("prefill", "B=")) or column.endswith("tok/s"))


# Engines: each yields (column, tok/s, others) as soon as a figure is there

def troupe_engine(contestant, options, shape):
    """A process for each column, so that each has its own share of the CPU. `troupe bench` takes 8 steps a round."""
    def bench(*arguments):
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            run([TROUPE, "bench", "--model", options.peers / "models" / contestant.model, "--threads", options.threads,
                 "--json", out.name, *arguments], ENGINE_S)
            return json.load(open(out.name))["rows"]

    share = CpuShare()
    prefill, _ = bench("--prompt", shape["prompt"], "--rounds", shape["prompts"], "--batch", 1, "--at", 1)
    yield "prefill", prefill["tokens_per_s"], share.others()
    for batch in shape["batches"]:
        share = CpuShare()
        _, decode = bench("--prompt", 1, "--batch", batch, "--at", shape["at"], "--rounds", shape["tokens"] // 8)
        yield f"B={batch}", batch / decode["mean_s"], share.others()


def llamacpp_engine(contestant, options, shape):
    common = ["-m", f"/models/{contestant.model}", "-t", options.threads]
    share = CpuShare()
    said = run(peer_programs.llamacpp("llama-bench", options.peers, *common, "-p", shape["prompt"], "-n", 0, "-r",
                                      shape["prompts"], "-o", "json"), ENGINE_S)
    yield "prefill", statistics.median(json.loads(said)[0]["samples_ts"]), share.others()
    for batch in shape["batches"]:
        share = CpuShare()
        positions = max(512, batch * (shape["at"] + shape["tokens"]))
        said = run(peer_programs.llamacpp("llama-batched-bench", options.peers, *common, "-c", positions, "-fa", "on",
                                          "-npp", shape["at"], "-ntg", shape["tokens"], "-npl", batch,
                                          "--output-format", "jsonl"), ENGINE_S)
        row = json.loads(next((line for line in said.splitlines() if line.startswith("{")), "{}"))
        yield f"B={batch}", row["speed_tg"], share.others()


def python_engine(contestant, options, shape):
    command = [peer_programs.python_of(contestant.peer, options.peers), peer_programs.HERE, contestant.peer,
               options.peers / "models" / contestant.model, json.dumps({**shape, "threads": options.threads})]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=log, text=True, start_new_session=True,
                                   env=peer_programs.environment(contestant.peer, options.threads))
        watchdog = threading.Timer(ENGINE_S, end, [process])
        watchdog.start()
        try:
            for line in process.stdout:
                said = json.loads(line)
                if "column" in said:
                    yield said["column"], said["tokens_per_s"], said["others"]
                else:
                    print(f"  {contestant.name}: {line.strip()}", flush=True)
            status = process.wait(60)
        finally:
            watchdog.cancel()
            end(process)
        if status != 0:
            log.seek(0)
            raise Failure(f"exit status {status}: {' '.join(map(str, command))}\n{log.read()[-2000:]}")


def measure_engines(contestant, round_number, options, results):
    engine = {"troupe": troupe_engine, "llamacpp": llamacpp_engine}.get(contestant.peer, python_engine)
    for column, value, others in engine(contestant, options, {**options.shape, "seed": round_number}):
        results.add(round_number, contestant.name, column, value, others)


# Servers

class Server:
    def __init__(self, contestant, options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.command = peer_programs.server_command(contestant.peer, contestant.model, port, options.peers,
                                                    options.threads)
        self.log = tempfile.TemporaryFile("w+")
        self.started = time.monotonic()
        self.process = subprocess.Popen([str(word) for word in self.command], stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=subprocess.STDOUT, start_new_session=True,
                                        env=peer_programs.environment(contestant.peer, options.threads))

    def __enter__(self):
        """Ready is when it has answered a request."""
        try:
            while not self.answers():
                if self.process.poll() is not None or time.monotonic() - self.started > READY_S:
                    self.log.seek(0)
                    raise Failure(f"the server did not answer within {time.monotonic() - self.started:.0f} s: "
                                  f"{' '.join(map(str, self.command))}\n{self.log.read()[-2000:]}")
                time.sleep(0.05)
        except BaseException:
            end(self.process)
            raise
        self.ready_s = time.monotonic() - self.started
        return self

    def answers(self):
        try:
            model = json.load(urllib.request.urlopen(self.url + "/v1/models", timeout=5))["data"][0]["id"]
            body = {"model": model, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}
            ask = urllib.request.Request(self.url + "/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
            self.text = json.load(urllib.request.urlopen(ask, timeout=120))["choices"][0]["text"]
            return True
        except (OSError, ValueError, KeyError, IndexError):
            return False

    def __exit__(self, *_):
        end(self.process)


def load(url, concurrency, requests, seed, shape):
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        run([TROUPE, "load", url, "--concurrency", concurrency, "--requests", requests, "--seed", seed, "--ignore-eos",
             "--prompt-tokens", f"fixed:{shape['at']}", "--output-tokens", f"fixed:{shape['tokens']}", "--temperature",
             0, "--json", out.name], LOAD_S)
        report = json.load(open(out.name))
    made, gaps = report["tokens"]["output"], report["seconds_of"]["itl"]["count"]
    if report["requests"]["successful"] != requests or made != requests * shape["tokens"] or gaps == 0:
        raise Failure(f"{url} answered {report['requests']['successful']} of {requests} requests with "
                      f"{made} tokens and {gaps} gaps between events: {report['errors']}")
    return report


def measure_server(contestant, round_number, options, results):
    share = CpuShare()
    with Server(contestant, options) as server:
        results.add(round_number, contestant.name, "ready s", server.ready_s, share.others())
        print(f"  {contestant.name}: {server.text!r}", flush=True)
        for users in options.shape["users"]:
            load(server.url, users, users, 1000 * round_number + users, options.shape)  # warms up
            share = CpuShare()
            report = load(server.url, users, max(8, options.turns * users), 2000 * round_number + users, options.shape)
            others, seconds_of = share.others(), report["seconds_of"]
            values = (report["tokens"]["output_per_second"], 1000 * seconds_of["ttft"]["p50"],
                      1000 * seconds_of["itl"]["p50"], 1000 * seconds_of["itl"]["p99"])
            for column, value in zip(LOAD_COLUMNS, values):
                results.add(round_number, contestant.name, f"{users}: {column}", value, others)
        results.add(round_number, contestant.name, "MiB", peer_programs.resident_mib(server.process.pid), others)


# The run

def compare(what, contestants, options):
    """Every round measures each contestant once, in an order drawn anew; who has failed is left out of later rounds."""
    measure = {"engines": measure_engines, "servers": measure_server}[what]
    results = Results(contestants)
    for round_number in range(1, options.rounds + 1):
        for contestant in random.Random(round_number).sample(contestants, len(contestants)):
            if contestant.name in results.failures:
                continue
            try:
                measure(contestant, round_number, options, results)
            except (Failure, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
                results.failures[contestant.name] = f"{type(error).__name__}: {error}"
                print(f"  {contestant.name} FAILED: {error}", flush=True)
    if what == "engines":
        tables = {"engines, tok/s": ["prefill", *(f"B={batch}" for batch in options.shape["batches"])]}
    else:
        tables = {f"servers, concurrency {users}": [f"{users}: {column}" for column in LOAD_COLUMNS]
                  for users in options.shape["users"]}
        tables["servers"] = ["ready s", "MiB"]
    print(f"\nMedians of {options.rounds} rounds; in brackets the share of others, and of ratios lowest and highest.")
    for title, columns in tables.items():
        results.print_table(title, columns)
    for name, why in results.failures.items():
        print(f"{name} gave not all figures: {why.splitlines()[0]}")
    return results, [column for columns in tables.values() for column in columns]


def chosen(what, options):
    """Who takes part, after a look whether all that they need is there."""
    wanted = [peer for peer in options.peers_wanted if not (what == "servers" and peer in WITHOUT_SERVER)]
    found = [contestant for contestant in TROUPES + PEERS if contestant.peer in ("troupe", *wanted)]
    if what == "servers":
        found = [contestant for contestant in found if contestant.model != "Q8_0.gguf"]
    for contestant in found:
        if not (options.peers / "models" / contestant.model).exists():
            raise Failure(f"{options.peers / 'models' / contestant.model} is not there: bench/compare_peers.py convert "
                          f"--model {options.model} --peers {options.peers} --with {','.join(wanted)}")
    return found, {peer: peer_programs.version_of(peer, options.peers) for peer in wanted}


def machine():
    fields = dict(re.findall(r"^(\S[^\t\n]*?)\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M))
    return (f"{fields.get('model name', platform.machine())}, family {fields.get('cpu family', '?')} model "
            f"{fields.get('model', '?')}, {len(os.sched_getaffinity(0))} cores, load average {os.getloadavg()[0]:.1f}")


def smoke(options):
    """Both halves with a second Troupe as the peer; and the ratios of figures that a person can check."""
    by_hand = Results([Contestant("ours", "troupe", "m", True), Contestant("theirs", "troupe", "m")])
    for name, values in (("ours", (2, 4, 6)), ("theirs", (1, 1, 2))):
        rounds = {i: (value, 0) for i, value in enumerate(values)}
        by_hand.figures[name] = {"B=1": rounds, "ready s": rounds}
    assert by_hand.ratio("ours", "theirs", "B=1") == (3, 2, 4)
    assert by_hand.ratio("ours", "theirs", "ready s") == (1 / 3, 1 / 4, 1 / 2)
    options.rounds, model = 1, str(options.model.absolute())
    options.shape = {"prompt": 64, "prompts": 1, "at": 16, "tokens": 8, "batches": [1, 2], "users": [1, 2]}
    pair = [Contestant("Troupe", "troupe", model, True), Contestant("Troupe again", "troupe", model)]
    for what, count in (("engines", 3), ("servers", 10)):
        results, columns = compare(what, pair, options)
        ratios = json.loads(json.dumps(results.json(columns)))["ratios"]
        assert not results.failures and len(columns) == count, results.failures
        for name in ("Troupe to best peer", "Troupe to Troupe again"):
            assert all(ratios[name][column][0] > 0 for column in columns), ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["install", "convert", "engines", "servers"])
    parser.add_argument("peer", nargs="?", choices=peer_programs.INSTALLABLE, help="of install")
    parser.add_argument("--model", type=pathlib.Path, help="a GGUF file, Q4_1")
    parser.add_argument("--peers", "--into", type=pathlib.Path, default=pathlib.Path("build/peers"), metavar="FOLDER")
    parser.add_argument("--with", dest="peers_wanted", default="llamacpp,openvino,onnxruntime,vllm", metavar="PEERS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batches", default="1,4,16,32", help="of engines")
    parser.add_argument("--users", default="1,4,16", help="of servers")
    parser.add_argument("--turns", type=int, default=4, help="of servers: requests of each user")
    parser.add_argument("--json", type=pathlib.Path, help="a file for every figure")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    options.peers_wanted = [peer for peer in options.peers_wanted.split(",") if peer]
    if unknown := set(options.peers_wanted) - {peer.peer for peer in PEERS}:
        parser.error(f"--with knows no {', '.join(unknown)}")
    if not options.smoke and (options.what is None or (options.what == "install") != (options.peer is not None)):
        parser.error("say install PEER, convert, engines, servers or --smoke")
    if options.what == "install":
        return peer_programs.install(options.peer, options.peers)
    if not options.model or not options.model.exists():
        parser.error(f"--model: there is no file {options.model}; ./quickstart --model-only fetches it")
    if not TROUPE.exists():
        raise Failure(f"{TROUPE} is not there: cmake --preset release && cmake --build --preset release")
    if options.what == "convert":
        return peer_programs.convert(options.model, options.peers, options.peers_wanted)
    print("command:", " ".join(sys.argv))
    print("machine:", machine())
    if options.smoke:
        return smoke(options)
    contestants, versions = chosen(options.what, options)
    versions["troupe"] = run([TROUPE, "--version"], 60).strip()
    print("versions:", "; ".join(f"{peer} {version}" for peer, version in versions.items()), flush=True)
    options.shape = {"prompt": 512, "prompts": 3, "at": 128, "tokens": 64,
                     "batches": [int(word) for word in options.batches.split(",")],
                     "users": [int(word) for word in options.users.split(",")]}
    results, columns = compare(options.what, contestants, options)
    if options.json:
        head = {"command": sys.argv, "machine": machine(), "versions": versions, "rounds": options.rounds}
        options.json.write_text(json.dumps({**head, **results.json(columns)}, indent=1) + "\n")
    return 1 if results.failures else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(2)
