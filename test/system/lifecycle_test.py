"""Start, drain, stop and the command line's manners, on the real binary."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time

from server import BINARY, MODEL, Server, expect, need_model


def run(*arguments, **environment):
    env = {key: value for key, value in os.environ.items() if not key.startswith("TROUPE_")}
    return subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=60, env={**env, **environment})


# What the user got wrong is exit code 2 and one line that names it.
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "bad.toml").write_text("[server]\nprot = 1\n")
(folder / "not.gguf").write_text("version https://git-lfs.github.com/spec/v1\n")
(folder / "cut.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 16)
for arguments, word in [
    (["serve"], "--model"),
    (["serve", "--model", "/no/such.gguf"], "/no/such.gguf"),
    (["serve", "--model", str(folder / "not.gguf")], "not.gguf"),
    (["check", "--model", str(folder / "cut.gguf")], "cut.gguf"),
    (["serve", "--model", str(folder)], "config.json"),
    (["check", "--config", str(folder / "bad.toml")], "server.port"),
    (["check", "--config", "/no/such.toml"], "/no/such.toml"),
    (["serve", "--port", "99999"], "65535"),
    (["serve", "--host", "0.0.0.0"], "insecure"),
    (["no-such-command"], "no-such-command"),
]:
    result = run(*arguments)
    expect(result.returncode == 2, f"{arguments} exits with 2, not {result.returncode}: {result.stderr}")
    expect(word in result.stderr + result.stdout, f"{arguments} names {word}: {result.stderr}")
expect(run("--help").returncode == 0 and "examples" in run("--help").stdout, "help teaches")
expect(run("--version").stdout.startswith("troupe "), "a version is printed")
printed = run("check")
expect(printed.returncode == 0 and "[server]" in printed.stdout and "port = 8080" in printed.stdout, "check prints what is in force")
expect("9999" in run("check", TROUPE_SERVER_PORT="9999").stdout, "the environment counts")

need_model()
expect(run("check", "--model", str(MODEL)).returncode == 0, "check accepts the model")
expect(run("serve", "--model", str(MODEL), "--kv.memory", "1Ki").returncode == 2, "a plan that cannot fit is refused")
bad_isa = run("serve", "--model", str(MODEL), "--port", "0", "--metrics-port", "0", TROUPE_ISA="sse9")
expect(bad_isa.returncode == 2 and "sse9" in bad_isa.stderr, f"an unknown instruction set is named: {bad_isa.stderr}")
said = run("generate", "--model", str(MODEL), "-n", "12", "Say hello.")
expect(said.returncode == 0 and said.stdout.strip(), "generate answers in the terminal")

# A port in use is said so.
with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    port = str(taken.getsockname()[1])
    result = run("serve", "--model", str(MODEL), "--port", port, "--metrics-port", "0")
    expect(result.returncode == 2 and port in result.stderr, f"port in use: {result.returncode} {result.stderr}")

# R109: SIGTERM lets running streams finish and refuses new ones; then exit code 0.
server = Server()
expect(server.get("/health")[0] == 200 and server.get("/ready")[0] == 200, "alive and ready")
version = server.get("/version")[1]
expect(version["version"] and version["device"], f"/version names version and device: {version}")
long = {"prompt": "Once upon a time", "max_tokens": 200, "temperature": 0, "ignore_eos": True}
events = []


def consume():
    for _, event in server.stream("/v1/completions", long):
        events.append(event)


thread = threading.Thread(target=consume)
thread.start()
while len(events) < 3:
    time.sleep(0.01)
server.process.send_signal(signal.SIGTERM)
time.sleep(0.2)
try:
    status = server.post("/v1/completions", long)[0]
    expect(status == 503, f"a draining server refuses with 503, not {status}")
except OSError:
    pass  # or does not accept any more
thread.join(60)
expect(events[-1] == "[DONE]", "the running stream was finished while draining")
server.process.wait(40)
expect(server.process.returncode == 0, f"a drained server exits with 0, not {server.process.returncode}")

# A second signal ends it at once.
server = Server()
thread = threading.Thread(target=lambda: list(server.stream("/v1/completions", {**long, "max_tokens": 2000})), daemon=True)
server_thread_error = []
threading.excepthook = lambda args: server_thread_error.append(args)
thread.start()
time.sleep(0.5)
server.process.send_signal(signal.SIGTERM)
time.sleep(0.2)
begin = time.monotonic()
server.process.send_signal(signal.SIGTERM)
server.process.wait(5)
expect(time.monotonic() - begin < 2, "the second SIGTERM ends the process at once")
print("ok")
