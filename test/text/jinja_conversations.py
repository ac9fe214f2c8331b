"""Random conversations: as the lines our side reads, and as what Hugging Face's callers hand to a template."""
import json
import pathlib
import re

# What a template expects of a conversation, by its text; our side looks at its tree.
TAKES_PARTS = re.compile(r"\bfor \w+ in (\w+\.|\w+\[['\"])?content\b|\bcontent(['\"]\])? *\| *(map|select|reject)")
ASKS_FOR_NONE = re.compile(r"\bcontent(['\"]\])? +is +(not +)?none\b")

TEXTS = ["Hi", " padded \n", "", "two\nlines\n\n", "é日🙂", "<think>\nhm\n</think>\n\nYes", "a</think>b", "<tool_response>\n1\n</tool_response>",
         "it's \"quoted\" \\ {{ x }}", "2", "\u00a0nbsp\u00a0", "<|im_end|>", "x" * 40]
ARGUMENTS = ['{"x":1}', "{}", "", '{"city": "Zürich", "n": [1, 2.5, null, true]}', "not JSON", '{"a": {"b": "c\\n"}}', "[1]", '{"x": 1e3}']
TOOLS = [{"type": "function", "function": {"name": "f", "description": "Does \"f\" – é", "parameters": {
    "type": "object", "properties": {"x": {"type": "integer"}, "y": {"enum": ["a", None]}}, "required": ["x"]}}},
    {"type": "function", "function": {"name": "g", "parameters": {}, "return": {"type": "string"}}}]


def escaped(text):
    out = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    return "".join("\\x%02x" % ord(c) if ord(c) < 32 else c for c in out)


def unescaped(text):
    def one(match):
        return {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], chr(int(match[1][1:], 16)) if match[1][0] == "x" else match[1])
    return re.sub(r"\\(x..|.)", one, text)


def random_conversation(rng):
    """Lines of a conversation, mostly of the shape a template accepts."""
    lines = []
    if rng.random() < 0.4:
        lines.append("message %s %s" % (rng.choice(["system", "system", "developer"]), escaped(rng.choice(TEXTS))))
    for turn in range(rng.randint(0 if rng.random() < 0.1 else 1, 5)):
        role = ("user", "assistant")[turn % 2] if rng.random() < 0.93 else rng.choice(["user", "assistant", "tool", "system", "function"])
        text = rng.choice(TEXTS)
        calls = rng.randint(1, 2) if role == "assistant" and rng.random() < 0.3 else 0
        in_parts = rng.random() < 0.15
        lines.append("message %s %s" % (role, "" if in_parts or (calls and rng.random() < 0.7) else escaped(text)))
        if in_parts:
            lines += ["part " + escaped(rng.choice(TEXTS)) for _ in range(rng.randint(1, 2))]
        if rng.random() < 0.1:
            lines.append("name Bob")
        if role == "assistant" and rng.random() < 0.15:
            lines.append("reasoning " + escaped(rng.choice(TEXTS[:4])))
        for call in range(calls):
            lines.append("call %s f %s" % (rng.choice(["abcdefghi", "abcdefghi", "short"]), escaped(rng.choice(ARGUMENTS))))
        for _ in range(calls):
            lines.append("message tool " + escaped(rng.choice(TEXTS + ['{"r": 1}'])))
            if rng.random() < 0.9:
                lines.append("answers abcdefghi")
    if rng.random() < 0.3:
        lines.append("tools " + escaped(json.dumps(TOOLS[: rng.randint(0, 2)], ensure_ascii=rng.random() < 0.5)))
    if rng.random() < 0.3:
        lines.append("arguments " + escaped(json.dumps(rng.choice([
            {"enable_thinking": False}, {"enable_thinking": True}, {"date_string": "1 Jan 2025"}, {"tools_in_user_message": False},
            {"builtin_tools": ["code_interpreter", "f"]}, {"custom_tools": TOOLS[:1]}, {"eos_token": "<x>"}, {}]))))
    if rng.random() < 0.3:
        lines.append("no_generation")
    if rng.random() < 0.15:
        lines.append("continue")
    return lines


class Conversation:
    """What the lines say, prepared for a template (its source) as vLLM and transformers do it."""

    def __init__(self, lines, source):
        self.messages, self.variables, self.generation, self.continues = [], {}, True, False
        tools = None
        parts = {}
        for line in lines:
            key, _, rest = line.partition(" ")
            if key == "message":
                role, _, text = rest.partition(" ")
                self.messages.append({"role": role, "content": unescaped(text)})
            elif key == "part":
                parts.setdefault(len(self.messages) - 1, []).append(unescaped(rest))
            elif key == "call":
                identity, name, arguments = (unescaped(word) for word in rest.split(" ", 2))
                function = {"name": name, "arguments": self.arguments(arguments)}
                self.messages[-1].setdefault("tool_calls", []).append({"id": identity, "type": "function", "function": function})
            elif key in ("name", "answers", "reasoning"):
                field = {"answers": "tool_call_id", "reasoning": "reasoning_content"}.get(key, key)
                if unescaped(rest):
                    self.messages[-1][field] = unescaped(rest)
            elif key == "tools":
                tools = json.loads(unescaped(rest))
            elif key == "arguments":
                self.variables = json.loads(unescaped(rest))
            elif key == "no_generation":
                self.generation = False
            elif key == "continue":
                self.continues = True
        self.final = "\n".join(parts[len(self.messages) - 1]) if len(self.messages) - 1 in parts else ""
        if self.messages and len(self.messages) - 1 not in parts:
            self.final = self.messages[-1]["content"]
        for at, texts in parts.items():
            as_parts = [{"type": "text", "text": text} for text in texts]
            self.messages[at]["content"] = as_parts if TAKES_PARTS.search(source) else "\n".join(texts)
        for at, message in enumerate(self.messages):
            if message["role"] == "developer" and "developer" not in source:
                message["role"] = "system"
            if "tool_calls" in message and not message["content"] and ASKS_FOR_NONE.search(source):
                message["content"] = None
            # As the API has them: calls last but for the id of the one that is answered.
            order = ["role", "content", "name", "reasoning_content", "tool_calls", "tool_call_id"]
            self.messages[at] = {key: message[key] for key in order if key in message}
        self.continues = self.continues and bool(self.messages)
        self.variables = {"bos_token": "<B>", "eos_token": "<E>", **self.variables}
        self.variables.update(messages=self.messages, tools=tools, documents=None,
                              add_generation_prompt=self.generation and not self.continues)

    @staticmethod
    def arguments(text):
        try:
            value = json.loads(text or "{}")
        except ValueError:
            return text
        return value if isinstance(value, dict) else text

    def render(self, template):
        text = template.render(**self.variables)
        if not self.continues:
            return text
        wanted = self.final.strip()
        at = text.rindex(wanted)  # ValueError: the template changes it
        with_end = self.final.lstrip()
        return text[: at + len(with_end)] if text[at:].startswith(with_end) else text[: at + len(wanted)]


def templates_in(folder):
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(pathlib.Path(folder).glob("*.jinja"))}


def golden_chats(file):
    """The cases of chat_goldens.txt: template, lines, what must come out, whether that is a refusal."""
    cases = []
    for line in pathlib.Path(file).read_text(encoding="utf-8").split("\n"):
        key, _, rest = line.partition(" ")
        if not line or key == "#":
            continue
        if key == "template":
            cases.append([rest, [], None, False])
        elif key in ("rendered", "refused"):
            cases[-1][2:] = [unescaped(rest), key == "refused"]
        else:
            cases[-1][1].append(line)
    return cases
