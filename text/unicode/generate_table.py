#!/usr/bin/env python3
"""Writes the table of text/unicode/unicode_table.hpp as C++ from the Unicode character database.

usage: generate_table.py UnicodeData.txt OUT.cpp

A code point's kind is its general category, seen as coarsely as tokenizers see it; white space is a kind of its own.
"""
import sys

CODE_POINTS = 0x110000
BLOCK = 128  # code points a block; equal blocks are stored once
KINDS = ["Hidden", "Upper", "Lower", "Caseless", "Mark", "Number", "Punctuation", "Symbol", "Space"]
KIND_OF = {"Lu": "Upper", "Lt": "Upper", "Ll": "Lower", "Lm": "Caseless", "Lo": "Caseless"}
KIND_OF_FIRST = {"M": "Mark", "N": "Number", "P": "Punctuation", "S": "Symbol", "Z": "Space", "C": "Hidden"}
# White_Space has these control characters too; the separators (Z*) are all of the rest of it.
SPACE_CONTROLS = [0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x85]
LETTERS_OF_15_1 = range(0x2EBF0, 0x2EE5D + 1)  # CJK extension I, newer than the database


def kind_of(category):
    return KINDS.index(KIND_OF.get(category) or KIND_OF_FIRST[category[0]])


def kinds(path):
    table, first = bytearray(CODE_POINTS), None
    for line in open(path, encoding="ascii"):
        code, name, category = line.split(";")[:3]
        code = int(code, 16)
        if name.endswith(", First>"):
            first = code
            continue
        begin = first if name.endswith(", Last>") else code
        first = None
        table[begin : code + 1] = bytes([kind_of(category)]) * (code + 1 - begin)
    for code in SPACE_CONTROLS:
        table[code] = KINDS.index("Space")
    for code in LETTERS_OF_15_1:
        table[code] = KINDS.index("Caseless")
    return bytes(table)


def rows(values):
    return "\n".join("  " + ",".join(map(str, values[at : at + 32])) + "," for at in range(0, len(values), 32))


def main():
    table = kinds(sys.argv[1])
    assert table.count(KINDS.index("Space")) == 25, "White_Space has 25 code points"
    blocks, index = {}, []
    for at in range(0, CODE_POINTS, BLOCK):
        index.append(blocks.setdefault(table[at : at + BLOCK], len(blocks)))
    flat = b"".join(blocks)
    with open(sys.argv[2], "w", encoding="ascii") as out:
        out.write('#include "text/unicode/unicode_table.hpp"\n\nnamespace troupe {\n\n')
        out.write("const std::uint16_t kUnicodeBlockOf[%d] = {\n%s\n};\n\n" % (len(index), rows(index)))
        out.write("const std::uint8_t kUnicodeKinds[] = {\n%s\n};\n\n}  // namespace troupe\n" % rows(list(flat)))


main()
