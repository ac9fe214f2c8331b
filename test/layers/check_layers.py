#!/usr/bin/env python3
"""The layer diagram as a test: which room may include which room and which library (docs/architecture.md).

Every quoted and bracketed include of every source file must be in one of the tables: an unknown room or library is an
error, not a pass. `--self-test` plants each kind of violation in a copy of the table's world and expects it found.
"""
import pathlib
import re
import sys
import tempfile

# room -> rooms it may include, besides itself
ROOMS = {
    "runtime": set(),
    "tensor": {"runtime"},
    "text": {"runtime", "tensor"},
    "gpu": {"runtime", "tensor"},
    "model": {"runtime", "tensor", "gpu", "text"},
    "actors": {"runtime", "tensor"},
    "conf": {"runtime", "tensor"},
    "load": {"runtime"},
    "sim": {"runtime", "load"},
    "net": {"runtime", "tensor"},
    "web": {"runtime"},
    "cli": {"runtime", "tensor", "text", "gpu", "model", "actors", "conf", "load", "sim", "net", "web"},
}
# Rooms that only look at others: they may include anything of ours.
OBSERVERS = {"test", "bench", "fuzz"}

# first part of an include, or first two -> where it may stand (a path prefix), and in the tests of that room; all else is unknown
LIBRARIES = {
    "caf": ("actors/",),
    "boost": ("net/",),
    "boost/json": ("net/", "text/tokenizer_json/", "model/safetensors/"),
    "prometheus": ("net/",),
    "openssl": ("net/",),
    "toml++": ("conf/", "cli/"),
    "CLI": ("conf/", "cli/"),
    "spdlog": ("cli/",),
    "utf8proc.h": ("text/",),
    "immintrin.h": ("gpu/host/",),
    "xmmintrin.h": ("gpu/host/",),
    "cpuid.h": ("gpu/host/",),
    "arm_neon.h": ("gpu/host/",),
    "cuda_runtime.h": ("gpu/cuda/",),
    "cublas_v2.h": ("gpu/cuda/",),
    "cublasLt.h": ("gpu/cuda/",),
    "catch2": ("test/",),
    "simde": ("test/gpu/",),
    "benchmark": ("bench/",),
}
# POSIX and Linux headers, and who needs the operating system.
SYSTEM = {
    "sys", "unistd.h", "fcntl.h", "pthread.h", "sched.h", "signal.h", "poll.h", "netinet", "arpa", "netdb.h", "linux",
    "malloc.h", "asm", "spawn.h", "endian.h", "dlfcn.h", "cxxabi.h", "execinfo.h",
}
SYSTEM_MAY = {"runtime", "tensor", "gpu", "model", "actors", "conf", "net", "cli"}
STANDARD = set(
    "algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits "
    "cmath compare complex concepts condition_variable coroutine csignal cstddef cstdarg cstdint cstdio cstdlib cstring ctime "
    "deque exception filesystem forward_list fstream functional future initializer_list iomanip ios iosfwd iostream "
    "istream iterator latch limits list locale map memory memory_resource mutex new numbers numeric optional ostream "
    "queue random ranges ratio scoped_allocator semaphore set shared_mutex source_location span sstream stack stdexcept "
    "stop_token streambuf string string_view system_error thread tuple type_traits typeindex typeinfo unordered_map "
    "unordered_set utility valarray variant vector version".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
SUFFIXES = {".hpp", ".cpp", ".cu", ".cuh", ".h", ".inc"}


def check_line(path, room, target):
    """Returns what is wrong with `target` included from `path`, or None."""
    head = target.split("/")[0]
    if "/" in target and (head in ROOMS or head in OBSERVERS):
        if room == head or room in OBSERVERS:
            return None
        if head in ROOMS and head in ROOMS[room]:
            return None
        return f"{room}/ may not include {head}/"
    pair = "/".join(target.split("/")[:2]).removesuffix(".hpp")
    library = pair if pair in LIBRARIES else head
    if library in LIBRARIES:
        tests = tuple("test/" + prefix.split("/")[0] + "/" for prefix in LIBRARIES[library])
        if path.startswith(LIBRARIES[library] + tests):
            return None
        return f"{library} is confined to {', '.join(LIBRARIES[library])}"
    if head in STANDARD:
        return None
    if head in SYSTEM or target in SYSTEM:
        if room in OBSERVERS or room in SYSTEM_MAY:
            return None
        return f"{room}/ may not include the system header {target}"
    return f"unknown include {target}: add it to the tables, with where it may stand"


def check_tree(root):
    errors, files = [], 0
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        room = name.split("/")[0]
        if path.suffix not in SUFFIXES or not path.is_file() or name.startswith((".", "build/", "models/")):
            continue
        if "/" not in name or (room not in ROOMS and room not in OBSERVERS):
            errors.append(f"{name}: {room} is not a room of the table")
            continue
        files += 1
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                if re.match(r"^\s*#\s*include\b", line):
                    errors.append(f"{name}:{number}: an include that cannot be read: {line.strip()}")
                continue
            problem = check_line(name, room, match.group(1) or match.group(2))
            if problem:
                errors.append(f"{name}:{number}: {problem}")
    return errors, files


PLANTED = [
    ("runtime/a.hpp", '#include "net/schema/x.hpp"'),
    ("runtime/a.cpp", "#include <caf/actor.hpp>"),
    ("runtime/a.cpp", "#include <boost/asio.hpp>"),
    ("gpu/host/a.cpp", '#include "model/gguf.hpp"'),
    ("text/a.cpp", '#include "gpu/host/kernels.hpp"'),
    ("text/a.cpp", "#include <unistd.h>"),
    ("text/a.cpp", "#include <boost/json.hpp>"),
    ("net/http/a.cpp", '#include "actors/actor_service.hpp"'),
    ("net/http/a.cpp", "#include <caf/all.hpp>"),
    ("actors/a.cpp", "#  include <boost/beast.hpp>"),
    ("actors/a.cpp", '#include "conf/settings.hpp"'),
    ("model/a.cpp", "#include <immintrin.h>"),
    ("model/gguf/a.cpp", "#include <boost/json.hpp>"),
    ("model/safetensors/a.cpp", "#include <boost/asio.hpp>"),
    ("gpu/host/a.cpp", "#include <cuda_runtime.h>"),
    ("conf/a.cpp", '#include "cli/server.hpp"'),
    ("conf/a.cpp", "#include <spdlog/spdlog.h>"),
    ("net/a.cpp", "#include <toml++/toml.h>"),
    ("runtime/a.cpp", "#include <catch2/catch.hpp>"),
    ("runtime/a.cpp", "#include <zlib.h>"),
    ("runtime/a.cpp", '#include "helpers.hpp"'),
    ("runtime/a.cpp", '#include "../net/schema/x.hpp"'),
    ("runtime/a.cpp", "#include HEADER"),
    ("common/a.cpp", "#include <vector>"),
    ("a.cpp", "#include <vector>"),
    ("load/a.cpp", '#include "net/schema/json_writer.hpp"'),
    ("load/a.cpp", "#include <boost/asio.hpp>"),
    ("net/client/a.cpp", '#include "load/trace.hpp"'),
    ("web/a.cpp", '#include "test/skip.hpp"'),
    ("test/model/a.cpp", "#include <boost/asio.hpp>"),
]
ALLOWED = [
    ("net/http/a.cpp", '#include "net/schema/x.hpp"\n#include <boost/beast.hpp>\n#include "runtime/request.hpp"\n#include <sys/socket.h>'),
    ("cli/a.cpp", '#include "actors/actor_service.hpp"\n#include <CLI/CLI.hpp>'),
    ("model/safetensors/a.cpp", "#include <boost/json.hpp>\n#include <boost/json/fwd.hpp>"),
    ("test/net/a.cpp", '#include "net/schema/x.hpp"\n#include <catch2/catch.hpp>'),
]


def self_test():
    failures = []
    for cases, expect_error in ((PLANTED, True), (ALLOWED, False)):
        for name, text in cases:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text + "\n")
                errors, _ = check_tree(pathlib.Path(folder))
                if bool(errors) != expect_error:
                    failures.append(f"{name}: {text!r} gave {errors}")
    return failures


TYPE = re.compile(r"^(?:class|struct|enum class) (\w+)(?: final)?(?: :[^;]*)? ?\{", re.M)


def twice(headers):
    """Types of ours that two headers define under one name: the linker would take one's functions for the other's."""
    homes = {}
    for path, text in headers:
        for name in TYPE.findall(text):
            homes.setdefault(name, []).append(path)
    return [f"{' and '.join(paths)} define {name}: one program, one name" for name, paths in sorted(homes.items()) if len(paths) > 1]


TEST_NAME = re.compile(r'^(?:TEST_CASE|TEMPLATE_TEST_CASE|SCENARIO)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.M)


def cut_names(tests):
    """Names that ctest's list would cut at a semicolon: it then finds no such test, and says that it passed."""
    found = []
    for path, text in tests:
        for match in TEST_NAME.finditer(text):
            name = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1)))
            if ";" in name:
                found.append(f"{path}: the test '{name}' would never run: its name has a semicolon")
    return found


def tests_of(root):
    return [(str(path.relative_to(root)), path.read_text()) for path in sorted((root / "test").rglob("*.cpp"))]


def headers_of(root):
    return [(str(path.relative_to(root)), path.read_text()) for room in ROOMS for path in sorted((root / room).rglob("*.hpp"))]


def main():
    failures = self_test()
    planted = [("a/x.hpp", "class Twin {\n"), ("b/y.hpp", "struct Twin final : Base {\n"), ("b/z.hpp", "class Twin;\n")]
    if len(twice(planted)) != 1:
        failures.append("a type that is there twice was not found")
    named = [("a.cpp", 'TEST_CASE("one; two") {\n'), ("b.cpp", 'TEST_CASE(\n    "one"\n    "; two") {\n'), ("c.cpp", 'TEST_CASE("one") { f(); }\n')]
    if len(cut_names(named)) != 2:
        failures.append("a test's name with a semicolon was not found")
    if failures:
        print("self test failed:", *failures, sep="\n")
        return 1
    errors, files = check_tree(pathlib.Path(sys.argv[1]))
    errors += twice(headers_of(pathlib.Path(sys.argv[1])))
    errors += cut_names(tests_of(pathlib.Path(sys.argv[1])))
    if files == 0:
        errors.append("no source file found")
    print("\n".join(errors) or f"layers ok: {files} files, {len(PLANTED)} planted violations found")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
