#!/usr/bin/env python3
"""Compares our template engine with Jinja2, set up as Hugging Face does.

usage: jinja_differential.py RENDER_TEMPLATES [--seed N] [--count N] [--chats N] [--templates FOLDER]

  --count N           random templates over every construct we have (jinja_generator.py): both sides must give the same
                      text, or both fail. A template we refuse with "not supported" or "too large" is counted and skipped.
  --chats N           random conversations for each template of the folder (data/templates, or another one), the same way
  The golden renderings of data/chat_goldens.txt are checked against Jinja2, too: what we expect is what it gives.

The exit code is 1 for a difference, for too many templates that fail, and for a construct that too few templates cover.
"""
import argparse
import datetime
import json
import pathlib
import random
import subprocess
import sys

try:
    import jinja2
    import jinja2.ext
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    print("SKIPPED: python3-jinja2 is not installed")
    sys.exit(77)

from jinja_conversations import Conversation, golden_chats, random_conversation, templates_in
from jinja_generator import MESSAGES, Generator, constructs

HERE = pathlib.Path(__file__).resolve().parent
NOW = 1721995200  # 2024-07-26 12:00 UTC
RENDERED_MIN = 5  # templates that use a construct and render, for each


class GenerationTag(jinja2.ext.Extension):
    """{% generation %}: its body, as it is."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    @staticmethod
    def _body(caller):
        return caller()


def hugging_face_environment():
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", GenerationTag])

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    environment.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.datetime.fromtimestamp(NOW).strftime(form)
    return environment


def our_side(binary, cases):
    """(kind, text or message) of each (source, lines); kind is ok, model or request."""
    given = b""
    for source, lines in cases:
        source, lines = source.encode(), "".join(line + "\n" for line in lines).encode()
        given += b"%d %d\n%s%s" % (len(source), len(lines), source, lines)
    answers = subprocess.run([binary, str(NOW)], input=given, stdout=subprocess.PIPE, check=True).stdout
    at, out = 0, []
    for _ in cases:
        line_end = answers.index(b"\n", at)
        kind, length = answers[at:line_end].decode().split()
        at = line_end + 1 + int(length)
        out.append((kind, answers[line_end + 1 : at].decode()))
    return out


class Comparison:
    def __init__(self, name):
        self.name, self.rendered, self.failed, self.unsupported, self.different = name, 0, 0, 0, 0
        self.reasons = {}

    def add(self, shown, ours, theirs):
        """theirs: a text or an exception. Whether both sides gave the same text."""
        kind, text = ours
        of_ours = kind == "model" or text.startswith("the chat template")  # and not the template's own words
        if kind != "ok" and of_ours and ("not supported" in text or "too large" in text):
            self.unsupported += 1
            self.reasons[text] = self.reasons.get(text, 0) + 1
        elif (kind == "ok") != isinstance(theirs, str) or (kind == "ok" and text != theirs):
            self.different += 1
            if self.different <= 10:
                print("DIFFERENT\n  %s\n  ours     %s %r\n  Jinja2   %r" % (shown, kind, text, theirs))
        elif kind == "ok":
            self.rendered += 1
            return True
        else:
            self.failed += 1
        return False

    def report(self):
        count = self.rendered + self.failed + self.unsupported + self.different
        print("%s: %d compared, %d the same text, %d failed on both sides, %d not supported here, %d different" %
              (self.name, count, self.rendered, self.failed, self.unsupported, self.different))
        return count


def attempt(render):
    try:
        return render()
    except Exception as error:  # whatever Python fails with, we must fail too
        return error


def compare_random_templates(binary, environment, seed, count):
    generator = Generator(random.Random(seed))
    sources = [MESSAGES + generator.block(2) for _ in range(count)]
    comparison = Comparison("random templates, seed %d" % seed)
    expressions = constructs()
    covered = dict.fromkeys(expressions, 0)
    for source, ours in zip(sources, our_side(binary, [(source, []) for source in sources])):
        def render(source=source):
            return environment.from_string(source).render(bos_token="<B>", eos_token="<E>", tools=None, documents=None,
                                                          add_generation_prompt=True)
        used = source[len(MESSAGES) :]
        if comparison.add("template %r" % used, ours, attempt(render)):
            for name, expression in expressions.items():
                covered[name] += expression.search(used) is not None
    comparison.report()
    wanted = RENDERED_MIN if count >= 2000 else 0
    rare = {name: number for name, number in covered.items() if number < wanted}
    print("  %d constructs, each in at least %d templates that rendered" % (len(covered), min(covered.values())))
    if rare:
        print("  too few templates that render cover: %s" % rare)
    for reason, number in sorted(comparison.reasons.items(), key=lambda item: -item[1])[:5]:
        print("  %d times: %s" % (number, reason[:120]))
    return (comparison.different == 0 and not rare and comparison.unsupported <= count // 20 and
            comparison.failed <= count * 3 // 4)


def compare_chats(binary, environment, folder, seed, count):
    good = True
    for name, source in templates_in(folder).items():
        rng = random.Random("%d %s" % (seed, name))
        chats = [random_conversation(rng) for _ in range(count)]
        template = environment.from_string(source)
        comparison = Comparison("%s, %d conversations" % (name, count))
        for lines, ours in zip(chats, our_side(binary, [(source, lines) for lines in chats])):
            theirs = attempt(lambda lines=lines: Conversation(lines, source).render(template))
            comparison.add("%s %r" % (name, lines), ours, theirs)
        comparison.report()
        good &= comparison.different == 0 and comparison.unsupported == 0 and comparison.rendered >= count // 10
    return good


def check_goldens(environment):
    sources, wrong = templates_in(HERE / "data/templates"), 0
    cases = golden_chats(HERE / "data/chat_goldens.txt")
    for name, lines, expected, is_refused in cases:
        source = sources[name]
        made = attempt(lambda source=source, lines=lines: Conversation(lines, source).render(environment.from_string(source)))
        if (str(made) if is_refused else made) != expected or is_refused != isinstance(made, Exception):
            wrong += 1
            print("GOLDEN %s %r\n  expected %r\n  Jinja2   %r" % (name, lines, expected, made))
    print("%d golden renderings of %d templates, %d not what Jinja2 gives" % (len(cases), len({case[0] for case in cases}), wrong))
    return wrong == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--templates", default=HERE / "data/templates")
    arguments = parser.parse_args()
    environment = hugging_face_environment()
    good = check_goldens(environment)
    good &= compare_chats(arguments.binary, environment, arguments.templates, arguments.seed, arguments.chats)
    good &= compare_random_templates(arguments.binary, environment, arguments.seed, arguments.count)
    sys.exit(0 if good else 1)


main()
