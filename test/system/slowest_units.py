#!/usr/bin/env python3
"""Prints the five translation units that took longest to compile in the given build trees."""
import pathlib
import sys

durations = {}
for tree in map(pathlib.Path, sys.argv[1:]):
    log = tree / ".ninja_log"
    if not log.exists():
        continue
    for line in log.read_text().splitlines()[1:]:
        start, end, _, output, _ = line.split("\t")
        if output.endswith(".o"):
            durations[f"{tree.name}/{output}"] = (int(end) - int(start)) / 1000
print("slowest translation units:")
for name, seconds in sorted(durations.items(), key=lambda item: -item[1])[:5]:
    print(f"  {seconds:6.1f} s  {name}")
