#!/usr/bin/env python3
"""The numbers of docs/case-studies.md, made anew: each case is a command of `troupe simulate`, which gives the same numbers on every machine.

  bench/case_studies.py build/release/cli/troupe            write them into the document
  bench/case_studies.py build/release/cli/troupe --check    exit 1 when the document says something else
"""
import argparse
import pathlib
import re
import subprocess
import sys

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "case-studies.md"
# In the document: a line `<!-- numbers: FLAGS -->`, the table, a line `<!-- end -->`.
BLOCK = re.compile(r"(<!-- numbers: (.*?) -->\n).*?(<!-- end -->\n)", re.S)
SECONDS_MAX = 300  # of one command


def table(binary, flags):
    """What the command prints, as a Markdown table under the command itself."""
    run = subprocess.run([binary, "simulate", *flags.split()], capture_output=True, text=True, timeout=SECONDS_MAX, check=True)
    lines = [line for line in run.stdout.splitlines() if line.strip()]
    head = next(i for i, line in enumerate(lines) if line.startswith("setting"))
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[head:] if not line.startswith("schedule hash")]
    print(f"troupe simulate {flags}", file=sys.stderr)
    text = f"`troupe simulate {flags}`: {lines[0]}\n\n"
    text += "| " + " | ".join(rows[0]) + " |\n" + "|---" * len(rows[0]) + "|\n"
    return text + "".join("| " + " | ".join(row) + " |\n" for row in rows[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", help="troupe")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    written = DOCUMENT.read_text()
    made = BLOCK.sub(lambda block: block[1] + table(arguments.binary, block[2]) + block[3], written)
    if len(BLOCK.findall(written)) < 3:
        sys.exit(f"{DOCUMENT} has {len(BLOCK.findall(written))} cases, at least 3 are wanted")
    if not arguments.check:
        DOCUMENT.write_text(made)
    elif made != written:
        for old, new in zip(written.splitlines(), made.splitlines()):
            if old != new:
                print(f"written: {old}\nmade:    {new}")
        sys.exit(f"{DOCUMENT} does not say what the commands print: run {sys.argv[0]} {arguments.binary}")


if __name__ == "__main__":
    main()
