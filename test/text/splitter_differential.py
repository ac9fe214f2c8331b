#!/usr/bin/env python3
"""Pre-tokenizers against their published expressions, run by python's `regex`, on random texts.

usage: splitter_differential.py PROBE [SEED [COUNT]]

Half the texts are of characters at which splitters differ, half of all of Unicode, as far as the tables of `regex`,
of unicodedata and ours agree about the character.
"""
import random
import subprocess
import sys
import unicodedata

try:
    import regex
    import splitters
except ImportError:
    print("SKIPPED: python's module regex is not installed")
    sys.exit(77)

CLASSES = ["Lu", "Lt", "Ll", "Lm", "Lo", "M", "N", "P", "S", "Z", "C"]


def agreed_characters(rng, count):
    matchers = [(name, regex.compile("\\p{%s}" % name)) for name in CLASSES]
    while count > 0:
        character = chr(rng.randrange(0x110000))
        category = unicodedata.category(character)
        if category in ("Cn", "Cs"):
            continue
        count -= 1
        if all(bool(matcher.match(character)) == category.startswith(name) for name, matcher in matchers):
            yield character


def lengths(name, text):
    return [len(piece.encode()) for piece in splitters.split(name, text)]


def main():
    probe = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2000  # texts a splitter
    rng = random.Random(seed)
    wide = list(agreed_characters(rng, 3000)) + splitters.ALPHABET * 10
    cases = []
    for name in splitters.SPLITTERS:
        cases += [(name, splitters.random_text(rng, splitters.ALPHABET, 24)) for _ in range(count // 2)]
        cases += [(name, splitters.random_text(rng, wide, 24)) for _ in range(count - count // 2)]
    given = b"".join(b"%s %d\n%s" % (name.encode(), len(text.encode()), text.encode()) for name, text in cases)
    answers = subprocess.run([probe], input=given, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    assert len(answers) == len(cases)
    different = 0
    for (name, text), answer in zip(cases, answers):
        ours = list(map(int, answer.split()))
        if ours != lengths(name, text):
            different += 1
            if different <= 10:
                print("DIFFERENT %s %r\n  ours  %s\n  regex %r" % (name, text, ours, splitters.split(name, text)))
    print("seed %d: %d texts, %d splitters, %d different" % (seed, len(cases), len(splitters.SPLITTERS), different))
    sys.exit(1 if different else 0)


main()
