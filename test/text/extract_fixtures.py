#!/usr/bin/env python3
"""Writes the fixtures of test/text/data from their sources; run by hand, only when a source changes.

usage: extract_fixtures.py MODEL.gguf SMOLLM2.json GEMMA3.json OUT_DIR

  smollm2_vocabulary.txt  tokenizer keys, token types, tokens and merges of the model file
  smollm2_tokens.txt      text <tab> ids <tab> ids with special tokens recognised
  smollm2_chats.txt       conversations, their rendering and its ids
  gemma3_tokens.txt       as smollm2_tokens.txt
  splits.txt              splitter <tab> text <tab> pieces..., by python's `regex` from the published expressions

Texts are escaped as in Python: \\\\ \\n \\r \\t \\xHH (control characters only); everything else is UTF-8 as it is.
"""
import json
import random
import struct
import sys

import splitters

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9


class Gguf:
    """The metadata of a GGUF file (version 3, little-endian), nothing else of it."""

    def __init__(self, path):
        self.file = open(path, "rb")
        assert self.file.read(4) == b"GGUF"
        self.number("<I")
        self.number("<q")
        self.values = {}
        for _ in range(self.number("<q")):
            key = self.string()
            self.values[key] = self.value(self.number("<i"))

    def number(self, form):
        return struct.unpack(form, self.file.read(struct.calcsize(form)))[0]

    def string(self):
        return self.file.read(self.number("<Q")).decode("utf-8")

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element = self.number("<i")
            return [self.value(element) for _ in range(self.number("<Q"))]
        return self.number(SCALARS[kind])


def escaped(text):
    out = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return "".join("\\x%02x" % ord(c) if ord(c) < 32 or ord(c) == 127 else c for c in out)


def numbers(ids):
    return " ".join(map(str, ids))


def write(path, lines):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")


def vocabulary(gguf):
    lines = []
    for key in ("model", "pre", "bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id", "add_bos_token"):
        value = gguf.values.get("tokenizer.ggml." + key)
        if value is not None:
            lines.append("%s %s" % (key, int(value) if isinstance(value, bool) else value))
    lines.append("chat_template " + escaped(gguf.values["tokenizer.chat_template"]))
    tokens = gguf.values["tokenizer.ggml.tokens"]
    merges = gguf.values["tokenizer.ggml.merges"]
    lines.append("types " + "".join(map(str, gguf.values["tokenizer.ggml.token_type"])))
    lines += ["tokens %d" % len(tokens)] + tokens + ["merges %d" % len(merges)] + merges
    return lines


def chats(golden):
    lines = []
    for prompt in golden["prompts"]:
        if prompt["kind"] != "chat":
            continue
        lines.append("chat " + prompt["name"])
        for message in prompt["messages"]:
            lines.append("message %s %s" % (message["role"], escaped(message["content"])))
        lines += ["rendered " + escaped(prompt["rendered"]), "ids " + numbers(prompt["ids"])]
    return lines


def splits():
    rng = random.Random(20240607)
    lines = []
    for name in splitters.SPLITTERS:
        for _ in range(120):
            text = splitters.random_text(rng)
            lines.append("\t".join([name, escaped(text)] + [escaped(piece) for piece in splitters.split(name, text)]))
    return lines


def gemma_tokens(golden):
    """As the file's own token types have it: llama.cpp makes "</s>" a control token, which is user-defined there."""
    for case in golden["tokenizer"]:
        plain = case.get("ids_file_types", case["ids"])
        special = case.get("ids_file_types", case["ids_special"])
        yield "\t".join([escaped(case["text"]), numbers(plain), numbers(special)])


def main():
    model, golden_path, gemma_path, out = sys.argv[1:]
    golden = json.load(open(golden_path, encoding="utf-8"))
    tokens = [
        "\t".join([escaped(case["text"]), numbers(case["ids"]), numbers(case["ids_special"])])
        for case in golden["tokenizer"]
    ]
    tokens += [
        "\t".join([escaped(p["text"]), numbers(p["ids"]), numbers(p["ids"])])
        for p in golden["prompts"]
        if p["kind"] == "raw"
    ]
    write(out + "/smollm2_vocabulary.txt", vocabulary(Gguf(model)))
    write(out + "/smollm2_tokens.txt", tokens)
    write(out + "/smollm2_chats.txt", chats(golden))
    write(out + "/gemma3_tokens.txt", gemma_tokens(json.load(open(gemma_path, encoding="utf-8"))))
    write(out + "/splits.txt", splits())


if __name__ == "__main__":
    main()
