#!/usr/bin/env python3
"""Golden JSON files -> lines "name: numbers", which the tests read without a JSON parser.

usage: convert_golden.py GOLDEN_FOLDER     (the folder with golden.json and real/)
Writes data/golden.txt, data/smollm2.txt and data/gemma3-270m.txt beside this script.
"""
import json
import pathlib
import sys

golden = pathlib.Path(sys.argv[1])
data = pathlib.Path(__file__).parent / "data"


def line(name, values):
    return name + ": " + " ".join(repr(v) for v in values) + "\n"


tiny = json.loads((golden / "golden.json").read_text())
with open(data / "golden.txt", "w") as out:
    for name in sorted(tiny):
        for part in ("prompt", "greedy_prompt", "greedy"):
            out.write(line(f"{name}.{part}", tiny[name][part]))

for name in ("smollm2", "gemma3-270m"):
    real = json.loads((golden / "real" / f"{name}.json").read_text())
    with open(data / f"{name}.txt", "w") as out:
        out.write(line("bos", [real["model"]["bos_id"]] if real["model"]["bos"] == "on" else []))
        out.write(line("tau", [real["tau"]["f32"], real["tau"]["int8"]]))
        out.write(line("prompts", list(range(len(real["prompts"])))))
        for i, prompt in enumerate(real["prompts"]):
            out.write(line(f"{i}.ids", prompt["ids"]))
            for part in ("ids", "logprob", "margin"):
                out.write(line(f"{i}.greedy.{part}", prompt["greedy"][part]))
        perplexity = real["perplexity"]
        out.write(line("perplexity.ids", perplexity["ids"]))
        for window in ("window_512", "window_1024"):
            for engine in ("float32", "llamacpp", "int8_emulation"):
                out.write(line(f"{window}.{engine}", [perplexity[window][engine]["perplexity"]]))
