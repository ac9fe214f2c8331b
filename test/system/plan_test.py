"""R116, R222: `troupe plan` says what a server then takes, within 5 %; and a limit it calls too small is refused."""
import pathlib
import re
import subprocess

from server import BINARY, MODEL, Server, expect, need_model

need_model()
SEQUENCES, CONTEXT = 16, 512


def plan(*arguments):
    done = subprocess.run([BINARY, "plan", "--model", MODEL, *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


code, text = plan("--model.context", str(CONTEXT), "--sequences", str(SEQUENCES))
expect(code == 0, text)
predicted = float(re.search(r"in all +([\d.]+) MiB", text)[1])
kv = re.search(r"kv.memory (\S+)\)", text)[1]

with Server("--model.context", str(CONTEXT), "--kv.memory", kv, "--cache.enabled", "false") as server:
    # As many tokens as all contexts together have, so that every block is written.
    load = subprocess.run([BINARY, "load", server.url, "--concurrency", str(SEQUENCES), "--requests", str(2 * SEQUENCES), "--prompt-tokens",
                           f"fixed:{CONTEXT - 40}", "--output-tokens", "fixed:32", "--ignore-eos"], capture_output=True, text=True)
    expect(load.returncode == 0, load.stdout + load.stderr)
    status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
    measured = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024
print(f"predicted {predicted:.1f} MiB, measured {measured:.1f} MiB at most")
expect(abs(predicted - measured) <= 0.05 * measured, f"the plan says {predicted} MiB, it was {measured}")

code, text = plan("--memory", "100Mi")
expect(code == 2 and "does not fit" in text, text)
code, text = plan("--memory", "300Mi", "--sequences", "1000")
expect(code == 2 and "sequences do not fit" in text, text)
code, text = plan("--memory", "many")
expect(code == 2 and "many" in text, text)
print("ok")
