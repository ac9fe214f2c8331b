"""Takes guards away one by one and sees whether a test notices (mutations.py has the list, docs/guards.md shows it).

  run.py --check      every mutation still fits its file, its test exists, docs/guards.md is as the list says
  run.py --write      writes docs/guards.md
  run.py [WORD...]    applies the mutations (those whose guard or file contains a WORD) in a clone of HEAD, builds the one test
                      binary, runs the one test and says whether it was killed. Takes minutes: it compiles.
"""
import os
import pathlib
import re
import subprocess
import sys

from mutations import MUTATIONS

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLONE = ROOT / "build/mutations"
TEST_S = 120  # a test that takes longer has noticed, too: it waits for what never comes
HEAD = """# Guards

What keeps the contracts, one line each, with the mutation that takes it away and the test that must then fail. This page is written by
`python3 test/mutations/run.py --write`; `check` verifies that each mutation still fits its file and that its test exists.
`python3 test/mutations/run.py` applies them all in a clone of HEAD: a mutation that no test notices is a defect of the tests.

| guard | row | file | instead of | there is | the test that must fail |
|---|---|---|---|---|---|
"""


def cell(code):
    text = " ".join(code.split()).replace("|", "\\|")
    return f"`{text}`" if text else "nothing"


def page():
    lines = [f"| {m.protects} | {m.rows} | {m.file} | {cell(m.old)} | {cell(m.new)} | {m.room}: {m.test} |\n" for m in MUTATIONS]
    return HEAD + "".join(lines)


def check():
    wrong = []
    for m in MUTATIONS:
        count = (ROOT / m.file).read_text().count(m.old)
        if count != 1:
            wrong.append(f"{m.file} has {count} times, not once: {m.old!r}")
        tests = "".join(path.read_text() for path in (ROOT / "test" / m.room).glob("*.cpp"))
        if f'TEST_CASE("{m.test}"' not in tests:
            wrong.append(f"test/{m.room} has no test case {m.test!r}")
    if (ROOT / "docs/guards.md").read_text() != page():
        wrong.append("docs/guards.md is not what the list says: run.py --write")
    print("\n".join(wrong) or f"{len(MUTATIONS)} guards, each with a mutation that fits and a test that exists")
    return 1 if wrong else 0


def binary_of(m):
    """The test binary that has the test: the troupe_test() that names its file."""
    folder = ROOT / "test" / m.room
    file = next(path.name for path in folder.glob("*.cpp") if f'TEST_CASE("{m.test}"' in path.read_text())
    for block in re.findall(r"troupe_test\((.*?)\n(?:\s*DEPS)", (folder / "CMakeLists.txt").read_text(), re.S):
        if re.search(rf"\b{re.escape(file)}\b", block):
            return block.split()[0] + "_test"
    raise SystemExit(f"no test binary has test/{m.room}/{file}")


def quiet(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr


def clone():
    if not CLONE.exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(CLONE)], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "fetch", "--quiet", "origin", head], cwd=CLONE, check=True)
    subprocess.run(["git", "checkout", "--quiet", "--force", "--detach", head], cwd=CLONE, check=True)
    subprocess.run(["cmake", "--preset", "dev"], cwd=CLONE, check=True, stdout=subprocess.DEVNULL)


def passes(m):
    """Whether the test of a mutation passes with the clone as it is; None when it does not compile."""
    binary = binary_of(m)
    built, why = quiet("cmake", "--build", "build/dev", "-j2", "--target", binary, cwd=CLONE)
    if not built:
        print("\n".join(line for line in why.splitlines() if "error" in line)[:500])
        return None
    name = re.sub(r"([,\[\]\\])", r"\\\1", m.test)
    environment = {**os.environ, "UBSAN_OPTIONS": f"halt_on_error=1:suppressions={CLONE}/test/ubsan.supp"}
    try:
        done = subprocess.run([f"build/dev/test/{m.room}/{binary}", name], cwd=CLONE, capture_output=True, text=True,
                              timeout=TEST_S, env=environment)
    except subprocess.TimeoutExpired:
        return False
    if "No test cases matched" in done.stdout or "No tests ran" in done.stdout:
        raise SystemExit(f"the filter of {m.test!r} matches nothing")
    return done.returncode == 0


def run(words):
    chosen = [m for m in MUTATIONS if not words or any(word in m.protects or word in m.file for word in words)]
    clone()
    survivors, unmutated = [], {}
    for m in chosen:
        path = CLONE / m.file
        whole = path.read_text()
        if (m.room, m.test) not in unmutated:
            unmutated[m.room, m.test] = passes(m)
        try:
            path.write_text(whole.replace(m.old, m.new))
            passed = passes(m) if unmutated[m.room, m.test] else None
        finally:
            path.write_text(whole)
        verdict = {None: "NOT TRIED", True: "SURVIVED", False: "killed"}[passed]
        if passed is not False:
            survivors.append(m)
        print(f"{verdict:9}  {m.protects}  ({m.file}; {m.room}: {m.test})", flush=True)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    if "--write" in sys.argv:
        (ROOT / "docs/guards.md").write_text(page())
    elif "--check" in sys.argv:
        sys.exit(check())
    else:
        sys.exit(run(sys.argv[1:]))
