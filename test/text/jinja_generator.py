"""Seeded random templates over every construct our template engine has, and which of them a template uses."""
import re

MESSAGES = (
    "{% set messages = [{'role': 'system', 'content': ' Be brief. '}, {'role': 'user', 'content': 'Hi \\n'}, "
    "{'role': 'assistant', 'content': 'a<think>b</think>\\n\\nc', 'n': 3}] %}"
)

# name -> the kind of value it is made for, and arguments it is given
FILTERS = {
    "abs": ("number", [""]),
    "batch": ("list", ["(2)|list", "(3, 'x')|list"]),
    "capitalize": ("text", [""]),
    "count": ("list", [""]),
    "d": ("any", ["('d')", "(7, true)"]),
    "default": ("any", ["('d')", "('d', true)", "(default_value=1)"]),
    "dictsort": ("dict", ["", "(reverse=true)", "(by='value')", "(true)"]),
    "first": ("list", [""]),
    "float": ("any", ["", "(1.5)"]),
    "format": ("format", ["('a', 3)", "(1, 2)", "(*['b', 4])"]),
    "indent": ("text", ["", "(2)", "(3, true)", "(width=1, blank=true)", "('> ')"]),
    "int": ("any", ["", "(5)"]),
    "items": ("dict", ["|list"]),
    "join": ("list", ["", "('-')", "(', ')"]),
    "last": ("list", [""]),
    "length": ("any", [""]),
    "list": ("list", [""]),
    "lower": ("text", [""]),
    "map": ("list", ["('upper')|list", "('string')|join", "('default', 1)|list"]),
    "max": ("list", ["", "(true)"]),
    "min": ("list", [""]),
    "reject": ("list", ["('equalto', 1)|list", "('string')|list", "|list"]),
    "rejectattr": ("messages", ["('n', 'defined')|map(attribute='role')|list", "('role', 'in', ['user'])|list|length"]),
    "replace": ("text", ["('a', 'xy')", "('', '.')", "('b', '', 1)"]),
    "reverse": ("list", ["|list", "|first"]),
    "round": ("number", ["", "(1)", "(0, 'floor')", "(method='ceil')"]),
    "safe": ("any", [""]),
    "select": ("list", ["('number')|list", "|list", "('in', [1, 'a'])|list"]),
    "selectattr": ("messages", ["('role', 'equalto', 'user')|list", "('n')|list|length", "('content', 'string')|list|length"]),
    "sort": ("list", ["", "(reverse=true)", "(case_sensitive=true)", "(true, true)"]),
    "string": ("any", [""]),
    "sum": ("numbers", ["", "(start=2)"]),
    "title": ("text", [""]),
    "tojson": ("any", ["", "(indent=2)", "(ensure_ascii=true)", "(separators=(',', ':'))", "(sort_keys=true)"]),
    "trim": ("text", ["", "('a ')", "(chars='b\\n')"]),
    "truncate": ("text", ["(4)", "(4, true)", "(3, false, '', 0)"]),
    "unique": ("list", ["|list", "(true)|list"]),
    "upper": ("text", [""]),
    "urlencode": ("text", [""]),
    "wordcount": ("text", [""]),
}
TESTS = {
    "boolean": "", "callable": "", "defined": "", "divisibleby": " 2|(3)", "eq": " 1", "equalto": " 'a'", "even": "", "false": "",
    "float": "", "ge": " 1", "gt": "(0)", "in": " [1, 'a']|('abc')", "integer": "", "iterable": "", "le": " 2", "lower": "",
    "lt": " 7", "mapping": "", "ne": " 1", "none": "", "number": "", "odd": "", "sameas": " none|(true)", "sequence": "",
    "string": "", "true": "", "undefined": "", "upper": "",
}
METHODS = {
    "text": ["capitalize()", "count('a')", "count('')", "endswith('n')", "endswith(('x', 'a'))", "find('b')", "find('zz')",
             "format(1, x=2)", "index('')", "isalnum()", "isalpha()", "isdigit()", "isspace()", "join(['a', 'b'])", "lower()",
             "lstrip()", "lstrip('a')", "removeprefix('a')", "removesuffix('\\n')", "replace('b', '')", "replace('a', 'bb', 1)",
             "rfind('a')", "rsplit(' ', 1)", "rsplit()", "rstrip('c')", "rstrip()", "split()", "split(',')", "split('a', 1)",
             "split(none, 1)", "splitlines()", "splitlines(true)", "startswith('a')", "startswith(('it', ' '))", "strip()",
             "strip(' \\n')", "title()", "upper()"],
    "dict": ["get('k')", "get('q', 9)", "items()|list", "keys()|list", "values()|list", "copy()", "update({})", "pop('k')"],
    "list": ["index(1)", "count('a')", "append(1)", "copy()"],
}
LOOP = ["index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem", "depth", "depth0",
        "cycle('p', 'q', 1)"]


class Generator:
    """Random templates; most of them make sense, some fail."""

    def __init__(self, rng):
        self.rng = rng

    def pick(self, *choices):
        return self.rng.choice(choices)

    def text(self):
        return self.pick("'a'", "' b\\n'", "'é日 x'", "''", "'it\\'s \"q\"'", "'A,b,C'", "'12'", "x", "messages[1].content",
                         "'con' 'cat'", "\"d\\\"q\\\\ \\x41\\u00e9\\t\"", "'ẞß ǆ'", "'one two  three-four'", "'\\r\\n a\\x0bb'")

    def number(self):
        return self.pick("0", "1", "-2", "7", "2.5", "1e20", "0.1", "true", "3", "1_000", "True", "-0.0", "1.5e-7", "+4")

    def numbers(self):
        return self.pick("[1, 2, 3]", "[0.5, 2]", "(4, 5)", "[]", "range(5)")

    def format_text(self):
        return self.pick("'%s-%s'", "'%s %d'", "'%5s|%-4s|'", "'%03d %s'", "'%s%%'", "'%.1f %s'")

    def dictionary(self):
        return self.pick("{'k': 1, 'j': [2]}", "{}", "messages[2]", "{'b': 'x', 'A': none, 'c': 1.5}", "dict(k=2)", "{'k': {'k': 3}}",
                         "dict({'q': 1}, r=2)", "{1: 'a', (1, 2): 'b'}", "{'é': '\\n\\x01\\u2028', \"k\": []}")

    def listing(self, depth):
        return self.pick("[]", "[1, 2, 3]", "['b', 'A', 'a']", "messages", "{'k': 1, 'j': [2]}", "(1, 'z')", "'añb'",
                         "range(4)|list", "messages[1:]", "[1, 1.0, 'a', 'a']", "(1,)", "()", "[none, true]",
                         "[%s, %s]" % (self.value(depth - 1), self.value(depth - 1)))

    def typed(self, kind, depth):
        return {"text": self.text, "number": self.number, "numbers": self.numbers, "format": self.format_text,
                "dict": self.dictionary, "messages": lambda: "messages", "list": lambda: self.listing(depth),
                "any": lambda: self.value(depth)}[kind]()

    def filtered(self, depth):
        name = self.rng.choice(list(FILTERS))
        kind, arguments = FILTERS[name]
        value = self.typed(kind if self.rng.random() < 0.93 else "any", depth)
        return "(%s)|%s%s" % (value, name, self.rng.choice(arguments))

    def method(self, depth):
        kind = self.pick("text", "text", "dict", "list")
        value = self.typed(kind, depth) if kind != "list" else self.pick("[1, 'a', 1]", "(1, 'a')", "['a']")
        return "(%s).%s" % (value, self.rng.choice(METHODS[kind]))

    def tested(self, depth):
        name = self.rng.choice(list(TESTS))
        value = self.pick(self.number(), self.text(), self.value(depth))
        return "(%s) is %s%s%s" % (value, self.pick("", "not "), name, self.rng.choice(TESTS[name].split("|")))

    def value(self, depth):
        if depth <= 0:
            return self.pick(self.text(), self.number(), "none", "u", "x", "[1, 'a']", "{'a': none}", "None", "bos_token")
        d = depth - 1
        kind = self.rng.randrange(18)
        if kind == 0:
            if self.rng.random() < 0.2:
                return "%s %s %s" % (self.value(d), self.pick("+", "-", "*", "//", "%", "/", "~"), self.value(d))
            return self.pick("%s ~ %s" % (self.value(d), self.value(d)), "%s + %s" % (self.text(), self.text()), "%s * 2" % self.text(),
                             "%s %s %s" % (self.number(), self.pick("+", "-", "*", "//", "%", "/"), self.number()))
        if kind == 1:
            return "(%s)" % self.condition(d)
        if kind == 2:
            return "%s if %s%s" % (self.value(d), self.condition(d), self.pick("", " else " + self.value(d)))
        if kind in (3, 4, 5, 6):
            return self.filtered(d)
        if kind in (7, 8, 9):
            return self.method(d)
        if kind == 10:
            items = self.listing(d)
            slices = () if items.startswith("{") else ("1:", "::-1", ":-1", "1:9:2", "-2:", ":")  # of a dict, Jinja2 is of two minds
            return "(%s)[%s]" % (items, self.pick("0", "-1", "5", "'k'", "'j'", "'role'", *slices))
        if kind == 11:
            return "messages|%s" % self.pick(
                "selectattr('role', 'equalto', 'user')|list", "rejectattr('n', 'defined')|map(attribute='role')|list",
                "map(attribute='content')|join('|')", "map(attribute='n', default='?')|list", "length", "last")
        if kind == 12:
            return "messages[%s].%s" % (self.pick("0", "1", "-1"), self.pick("role", "content", "n", "keys()|list", "get('n', 9)"))
        if kind == 13:
            return self.pick(self.listing(d), self.dictionary())
        if kind == 14:
            return "%s ** %s" % (self.pick("2", "-2", "3", "0.5", "(-1.0)"), self.pick("0", "2", "5", "3", "-1"))
        if kind == 15:
            return "%s %s %s %s %s" % (self.number(), self.pick("+", "-", "*"), self.number(), self.pick("*", "//", "%", "~", "+"),
                                       self.number())
        if kind == 16:
            return "%s(%s)" % (self.pick("-", "+"), self.number())
        return self.pick(self.text(), self.number())

    def condition(self, depth):
        if depth <= 0:
            return self.pick("true", "false", "x", "u", "u is defined", "messages", "False", "none")
        d = depth - 1
        kind = self.rng.randrange(7)
        if kind == 0:
            return "%s %s %s" % (self.value(d), self.pick("==", "!=", "<", ">=", ">", "<=", "in", "not in"), self.value(d))
        if kind in (1, 2):
            return self.tested(d)
        if kind == 3:
            return "%s %s %s" % (self.condition(d), self.pick("and", "or"), self.condition(d))
        if kind == 4:
            return "not %s" % self.condition(d)
        if kind == 5:
            return "%s %s %s %s %s" % (self.number(), self.pick("<", "<=", "=="), self.number(), self.pick("<", "!=", ">"), self.number())
        return self.value(d)

    def tag(self, body):
        return "{%" + self.pick("", "", "-", "+") + " " + body + " " + self.pick("", "", "", "-", "+") + "%}"

    def block(self, depth):
        out = ""
        for _ in range(self.rng.randint(1, 3)):
            out += self.pick("", "a", " ", "\n", "  \n  ", "x\n", "\t", "é ", "\r\n", "{ %} }} ")
            out += self.statement(depth)
        return out + self.pick("", " ", "\n", "z")

    def loop(self, d):
        target, items = self.pick(("m", self.pick(self.listing(1), "range(1, 9, 3)")), ("m", self.listing(1)),
                                  ("m, v", "{'k': 1, 'j': 2}.items()"), ("(m, v)", "[(1, 2), [3, 4]]"), ("m, v", "{'a': 3}|dictsort"))
        extra = self.pick("", " if m", " if loop is defined", " if m is string")
        inside = self.pick("{{ m }}", "{{ loop }}", "{% if loop.first %}{% continue %}{% endif %}",
                           "{% if loop.index == 2 %}{% break %}{% endif %}", *["{{ loop.%s }}" % name for name in LOOP])
        middle = self.pick("", self.tag("else") + "E")
        return self.tag("for %s in %s%s" % (target, items, extra)) + inside + self.block(d) + middle + self.tag("endfor")

    def recursive_loop(self):
        tree = self.pick("[1, [2, [3, 4]], 5]", "[[[]]]", "[[1], [2]]", "['ab', [1]]")
        inside = self.pick("{{ loop(m) }}", "<{{ loop(m)|trim }}>", "{{ loop.depth }}{{ loop(m) }}", "{{ loop(m|reverse|list) }}")
        condition = self.pick("m is sequence and m is not string", "m is not number")
        return (self.tag("for m in %s recursive" % tree) + "{% if " + condition + " %}" + inside + "{% else %}{{ m }}{{ loop.index }}{% endif %}"
                + self.pick("", "{% else %}none") + self.tag("endfor"))

    def macro(self):
        body = self.pick("{{ a }}{{ b }}", "{{ a }}{{ varargs }}", "{{ kwargs }}{{ b }}", "{{ caller is defined }}", "{{ caller() }}",
                         "{{ caller(a, 5) }}", "{{ a }}{% if a is number and a > 0 %}{{ f(a - 1) }}{% endif %}", "{{ varargs }}{{ kwargs|dictsort }}")
        parameters = self.pick("a, b=%s" % self.value(0), "a=1, b=a", "a, b", "b=2", "")
        arguments = self.pick("", "1", "1, 2", "b='q'", "1, 2, 3", "1, c=3", "*[1, 2]", "**{'b': 3}", "1, *[2], **{'z': 1}", self.value(1))
        define = "{% macro f(" + parameters + ") %}" + self.pick("", self.block(0)) + body + "{% endmacro %}"
        if self.rng.random() < 0.6:
            return define + "{{ f(" + arguments + ") }}"
        signature = self.pick("", "(p)", "(p, q=7)", "(p='d', q='e')")
        return define + self.tag("call%s f(%s)" % (signature, arguments)) + self.pick("in", "{{ p }}{{ q }}", "{{ x }}") + self.tag("endcall")

    def statement(self, depth):
        kind = self.rng.randrange(16 if depth > 0 else 3)
        d = depth - 1
        if kind <= 1:
            return "{{" + self.pick("", "-") + " " + self.value(2) + " " + self.pick("", "-") + "}}"
        if kind == 2:
            return self.pick(self.tag("set x = " + self.value(2)), "{# c #}", "{#- c -#}", "text", "{% raw %}{{ r }}{% endraw %}",
                             self.tag("set x, y = " + self.pick("1, 2", "'ab'", "[%s, 3]" % self.value(1))),
                             self.tag("do " + self.value(1)), "  {%- raw -%} {% x %} {%- endraw -%}  ")
        if kind in (3, 4):
            middle = self.pick("", self.tag("else") + self.block(d), self.tag("elif " + self.condition(1)) + self.block(d))
            return self.tag("if " + self.condition(2)) + self.block(d) + middle + self.tag("endif")
        if kind in (5, 6, 7):
            return self.loop(d)
        if kind == 8:
            return self.recursive_loop()
        if kind == 9:
            return ("{% set ns = namespace(v=" + self.value(0) + ", w=0) %}{% for m in [1, 2] %}{% set ns.v = " + self.value(1) +
                    " %}{% set ns.w = ns.w + m %}{% endfor %}{{ ns.v }}{{ ns.w }}{{ ns.z is defined }}")
        if kind in (10, 11):
            return self.macro()
        if kind == 12:
            return "{% set y" + self.pick("", "|upper", "|trim|replace('a', 'b')") + " %}" + self.block(0) + "{% endset %}[{{ y }}]"
        if kind == 13:
            return self.tag("filter " + self.pick("upper", "trim", "indent(2)|replace('a', 'b')", "length")) + self.block(0) + self.tag("endfilter")
        if kind == 14:
            return self.tag("with x = %s, z = x" % self.value(1)) + "{{ x }}{{ z }}" + self.block(0) + self.tag("endwith")
        return self.tag("generation") + self.block(0) + self.tag("endgeneration")


def constructs():
    """What a template may use, by name, as a regular expression that finds it."""
    found = {
        "comment": r"\{#", "raw": r"\braw\b", "if": r"\bif\b", "elif": r"\belif\b", "else": r"\{%.? else\b", "for": r"\bfor m\b",
        "for with unpacking": r"for \(?m, v", "for with if": r"\bfor m in .{1,60}? if ", "recursive": r"\brecursive\b",
        "set": r"set x =", "set with unpacking": r"set x, y", "set of an attribute": r"set ns\.", "set block": r"set y %\}",
        "set block with filters": r"set y\|", "macro": r"\bmacro\b", "varargs": r"\bvarargs\b", "kwargs": r"\bkwargs\b", "caller": r"\bcaller\(",
        "call block": r"\{%.? call", "filter block": r"\{%.? filter", "break": r"\bbreak\b", "continue": r"\bcontinue\b",
        "generation": r"\bgeneration\b", "with": r"\{%.? with", "do": r"\{%.? do ", "{%-": r"\{%-", "-%}": r"-%\}", "{%+": r"\{%\+",
        "+%}": r"\+%\}", "{{-": r"\{\{-", "-}}": r"-\}\}", "{#-": r"\{#-", "CRLF": "\r\n", "inline if": r"[^%] if .{1,80}? else ",
        "and": r"\band\b", "or": r"\bor\b", "not": r"\bnot\b", "in": r"\) in |' in |\d in ", "not in": r"\bnot in\b", "chained comparison": r"\d <=? [-+\w.]+ [<!>]",
        "namespace": r"\bnamespace\(", "range": r"\brange\(", "dict()": r"\bdict\(", "*args": r"\(\*|, \*\[", "**kwargs": r"\*\*\{",
        "slice": r"\[[-\d]*:[-\d:]*\]", "string escapes": r"\\x41", "adjacent strings": "'con' 'cat'", "underscores": "1_000", "tuple": r"\(1,\)",
    }
    for op in ("+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">="):
        found["operator " + op] = r"[\w')\]] %s [\w'(\[+-]" % re.escape(op)
    for name in FILTERS:
        found["filter " + name] = r"\|%s\b" % name
    for name in TESTS:
        found["test " + name] = r"\bis (not )?%s\b" % name
    for name in {method.split("(")[0] for methods in METHODS.values() for method in methods} - {"append", "update", "pop"}:
        found["method " + name] = r"\.%s\(" % name
    for name in LOOP:
        found["loop." + name.split("(")[0]] = r"\bloop\.%s\b" % name.split("(")[0]
    return {name: re.compile(expression) for name, expression in found.items()}
