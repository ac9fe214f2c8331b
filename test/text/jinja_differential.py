#!/usr/bin/env python3
"""Compares our template engine with Jinja2, set up as Hugging Face does, on seeded random templates.

usage: jinja_differential.py RENDER_TEMPLATES [SEED [COUNT]]

Both must give the same text, or both fail. A template we refuse with "not supported" is counted and skipped.
"""
import random
import subprocess
import sys

try:
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("SKIPPED: python3-jinja2 is not installed")
    sys.exit(77)

MESSAGES = (
    "{% set messages = [{'role': 'system', 'content': ' Be brief. '}, {'role': 'user', 'content': 'Hi \\n'}, "
    "{'role': 'assistant', 'content': 'a<think>b</think>\\n\\nc', 'n': 3}] %}"
)


class Generator:
    """Random templates; most of them make sense, some fail."""

    def __init__(self, rng):
        self.rng = rng
        self.names = ["messages", "x", "m"]

    def pick(self, *choices):
        return self.rng.choice(choices)

    def text(self):
        return self.pick("'a'", "' b\\n'", "'é日 x'", "''", "'it\\'s \"q\"'", "'A,b,C'", "'12'", "x", "messages[1].content")

    def number(self):
        return self.pick("0", "1", "-2", "7", "2.5", "1e20", "0.1", "true", "3")

    def items(self, depth):
        return self.pick("[]", "[1, 2, 3]", "['b', 'A', 'a']", "messages", "{'k': 1, 'j': [2]}", "(1, 'z')", "'añb'",
                         "range(4)|list", "messages[1:]", "[%s, %s]" % (self.value(depth - 1), self.value(depth - 1)))

    def value(self, depth):
        if depth <= 0:
            return self.pick(self.text(), self.number(), "none", "u", "x", "[1, 'a']", "{'a': none}")
        d = depth - 1
        kind = self.rng.randrange(12)
        if kind == 0:
            return "%s %s %s" % (self.value(d), self.pick("+", "-", "*", "//", "%", "/", "~"), self.value(d))
        if kind == 1:
            return "(%s)" % self.condition(d)
        if kind == 2:
            return "%s if %s else %s" % (self.value(d), self.condition(d), self.value(d))
        if kind == 3:
            return "(%s)|%s" % (self.value(d), self.pick(
                "trim", "upper", "lower", "title", "capitalize", "string", "length", "list", "first", "last", "tojson",
                "tojson(indent=2)", "int", "int(5)", "float", "default('d')", "default('d', true)", "join('-')", "reverse|list",
                "replace('a', 'xy')", "abs", "sort", "unique|list", "sum", "max", "min", "indent(2)", "indent(3, true)",
                "map('upper')|list", "map('string')|join", "items|list", "dictsort", "round", "round(1)"))
        if kind == 4:
            return "(%s).%s" % (self.text(), self.pick(
                "strip()", "split()", "split(',')", "upper()", "lower()", "title()", "startswith('a')", "endswith('n')",
                "replace('b', '')", "lstrip()", "rstrip('c')", "find('b')", "count('a')", "splitlines()", "rsplit(' ', 1)",
                "split('a', 1)", "capitalize()", "strip(' \\n')", "isdigit()"))
        if kind == 5:
            items = self.items(d)
            slices = () if items.startswith("{") else ("1:", "::-1", ":-1", "1:9:2")  # of a dict, Jinja2 is of two minds
            return "(%s)[%s]" % (items, self.pick("0", "-1", "5", "'k'", "'j'", "'role'", *slices))
        if kind == 6:
            return "messages|%s" % self.pick(
                "selectattr('role', 'equalto', 'user')|list", "rejectattr('n', 'defined')|map(attribute='role')|list",
                "map(attribute='content')|join('|')", "map(attribute='n', default='?')|list", "length", "last")
        if kind == 7:
            return "messages[%s].%s" % (self.pick("0", "1", "-1"), self.pick("role", "content", "n", "keys()|list", "get('n', 9)"))
        if kind == 8:
            return self.items(d)
        if kind == 9:
            return "'%%s:%%s'|format(%s, %s)" % (self.value(d), self.value(d))
        if kind == 10:
            return "-(%s)" % self.number()
        return self.pick(self.text(), self.number())

    def condition(self, depth):
        if depth <= 0:
            return self.pick("true", "false", "x", "u", "u is defined", "messages")
        d = depth - 1
        kind = self.rng.randrange(6)
        if kind == 0:
            return "%s %s %s" % (self.value(d), self.pick("==", "!=", "<", ">=", "in", "not in"), self.value(d))
        if kind == 1:
            return "(%s) is %s%s" % (self.value(d), self.pick("", "not "), self.pick(
                "defined", "none", "string", "mapping", "iterable", "sequence", "number", "integer", "float", "boolean", "true",
                "odd", "divisibleby 2", "equalto 1", "in [1, 'a']", "lower", "upper", "sameas none", "undefined"))
        if kind == 2:
            return "%s %s %s" % (self.condition(d), self.pick("and", "or"), self.condition(d))
        if kind == 3:
            return "not %s" % self.condition(d)
        return self.value(d)

    def tag(self, body):
        return "{%" + self.pick("", "", "-", "+") + " " + body + " " + self.pick("", "", "", "-") + "%}"

    def block(self, depth):
        out = ""
        for _ in range(self.rng.randint(1, 3)):
            out += self.pick("", "a", " ", "\n", "  \n  ", "x\n", "\t", "é ")
            out += self.statement(depth)
        return out + self.pick("", " ", "\n", "z")

    def statement(self, depth):
        kind = self.rng.randrange(9 if depth > 0 else 3)
        d = depth - 1
        if kind <= 1:
            return "{{" + self.pick("", "-") + " " + self.value(2) + " " + self.pick("", "-") + "}}"
        if kind == 2:
            return self.pick(self.tag("set x = " + self.value(2)), "{# c #}", "{#- c -#}", "text", "{% raw %}{{ r }}{% endraw %}")
        if kind == 3:
            middle = self.pick("", self.tag("else") + self.block(d), self.tag("elif " + self.condition(1)) + self.block(d))
            return self.tag("if " + self.condition(2)) + self.block(d) + middle + self.tag("endif")
        if kind in (4, 5):
            middle = self.pick("", self.tag("else") + "E")
            extra = self.pick("", " if m", " if loop is defined", " if m is string")
            inside = self.pick("{{ loop.index }}", "{{ loop.last }}", "{{ m }}", "{{ loop.previtem }}", "{{ loop.cycle(1, 2) }}",
                               "{{ loop.revindex0 }}", "{% if loop.first %}{% continue %}{% endif %}", "{{ loop }}")
            return self.tag("for m in " + self.pick(self.items(1), "range(1, 9, 3)") + extra) + inside + self.block(d) + middle + self.tag("endfor")
        if kind == 6:
            return ("{% set ns = namespace(v=" + self.value(0) + ") %}{% for m in [1, 2] %}{% set ns.v = " + self.value(1) +
                    " %}{% endfor %}{{ ns.v }}")
        if kind == 7:
            return ("{% macro f(a, b=" + self.value(0) + ") %}" + self.block(0) + "{{ a }}{{ b }}{% endmacro %}{{ f(" +
                    self.pick("", "1", self.value(1), "1, 2", "b='q'", "1, 2, 3") + ") }}")
        return "{% set y %}" + self.block(0) + "{% endset %}[{{ y }}]"


def python_side(environment, source):
    try:
        return environment.from_string(source).render()
    except Exception as error:  # whatever Python fails with, we must fail too
        return error


def main():
    binary = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    import json
    environment.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    generator = Generator(random.Random(seed))
    sources = [MESSAGES + generator.block(2) for _ in range(count)]
    given = b"".join(b"%d\n%s" % (len(s.encode()), s.encode()) for s in sources)
    answers = subprocess.run([binary], input=given, stdout=subprocess.PIPE, check=True).stdout
    at, different, unsupported, failed = 0, 0, 0, 0
    for source in sources:
        line_end = answers.index(b"\n", at)
        kind, length = answers[at:line_end].decode().split()
        at = line_end + 1 + int(length)
        ours = answers[line_end + 1 : at].decode()
        theirs = python_side(environment, source)
        failed += kind != "ok"
        if kind != "ok" and ("not supported" in ours or "too large" in ours):
            unsupported += 1
        elif (kind == "ok") != isinstance(theirs, str) or (kind == "ok" and ours != theirs):
            different += 1
            if different <= 10:
                print("DIFFERENT\n  template %r\n  ours     %s %r\n  Jinja2   %r" % (source[len(MESSAGES):], kind, ours, theirs))
    print("seed %d: %d templates, %d different, %d not supported, %d failed on both sides" %
          (seed, count, different, unsupported, failed - unsupported))
    sys.exit(1 if different or unsupported > count // 20 or failed > count * 3 // 4 else 0)


main()
