#!/usr/bin/env python3
"""Kinds of characters and normalization form C against Python's unicodedata, and against Unicode's own test of it.

usage: unicode_differential.py PROBE [SEED [COUNT]]

Code points that Python's version does not know are left out; all others are compared, every one. NormalizationTest.txt
comes with Debian's unicode-data, which the build needs too.
"""
import bz2
import os
import random
import subprocess
import sys
import unicodedata

KINDS = ["Hidden", "Upper", "Lower", "Caseless", "Mark", "Number", "Punctuation", "Symbol", "Space"]
KIND_OF = {"Lu": "Upper", "Lt": "Upper", "Ll": "Lower", "Lm": "Caseless", "Lo": "Caseless"}
KIND_OF_FIRST = {"M": "Mark", "N": "Number", "P": "Punctuation", "S": "Symbol", "Z": "Space", "C": "Hidden"}
NORMALIZATION_TEST = "/usr/share/unicode/NormalizationTest.txt.bz2"


def expected_kind(code):
    character = chr(code)
    if character.isspace() and not 0x1C <= code <= 0x1F:  # str.isspace() counts four separators that \s does not
        return "Space"
    category = unicodedata.category(character)
    return KIND_OF.get(category) or KIND_OF_FIRST[category[0]]


def question(what, text=""):
    data = text.encode()
    return b"%s %d\n%s" % (what.encode(), len(data), data)


def compare_kinds(probe):
    kinds = subprocess.run([probe], input=question("kinds"), stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    assert len(kinds) == 0x110000
    compared, different = 0, 0
    for code in range(0x110000):
        if unicodedata.category(chr(code)) == "Cn":
            continue
        compared += 1
        if KINDS[int(kinds[code])] != expected_kind(code):
            different += 1
            print("DIFFERENT U+%04X: ours %s, Python's %s" % (code, KINDS[int(kinds[code])], expected_kind(code)))
    print("kinds: Unicode %s, %d code points, %d different" % (unicodedata.unidata_version, compared, different))
    return different


def compare_nfc(probe, cases):
    given = b"".join(question("nfc", text) for text, _ in cases)
    answers = subprocess.run([probe], input=given, stdout=subprocess.PIPE, check=True).stdout
    at, different = 0, 0
    for text, expected in cases:
        line_end = answers.index(b"\n", at)
        at = line_end + 1 + int(answers[at:line_end])
        ours = answers[line_end + 1 : at].decode()
        if ours != expected:
            different += 1
            print("DIFFERENT NFC of %r: ours %r, expected %r" % (text, ours, expected))
    print("nfc: %d texts, %d different" % (len(cases), different))
    return different


def random_cases(rng, count):
    characters = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    marks = [c for c in characters if unicodedata.combining(c)]
    composed = [c for c in characters if unicodedata.decomposition(c)]
    hangul = list(map(chr, range(0x1100, 0x1200))) + list(map(chr, range(0xAC00, 0xAD00)))
    pools = [characters, marks, composed, hangul, list("aeiouAEIOUn ")]
    for _ in range(count):
        text = "".join(rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, 30)))
        yield text, unicodedata.normalize("NFC", text)


def official_cases():
    def text_of(codes):
        return "".join(chr(int(code, 16)) for code in codes.split())

    for line in bz2.open(NORMALIZATION_TEST, "rt", encoding="utf-8"):
        if line.startswith(("#", "@")):
            continue
        source, nfc, nfd, nfkc, nfkd = map(text_of, line.split(";")[:5])
        yield from ((source, nfc), (nfc, nfc), (nfd, nfc), (nfkc, nfkc), (nfkd, nfkc))


def main():
    probe = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 5000
    print("seed %d" % seed)
    different = compare_kinds(probe) + compare_nfc(probe, list(random_cases(random.Random(seed), count)))
    if os.path.exists(NORMALIZATION_TEST):
        different += compare_nfc(probe, list(official_cases()))
    else:
        print("no %s: Unicode's own test was not run" % NORMALIZATION_TEST)
    sys.exit(1 if different else 0)


main()
