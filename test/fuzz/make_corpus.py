#!/usr/bin/env python3
"""Writes the generated inputs of corpus/; run by hand, when a target's format changes. Files that it does not name stay:
what the fuzzer found is kept under a name that says what it was.

usage: make_corpus.py [FOLDER]
"""
import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"
TEMPLATES = HERE.parent / "text/data/templates"


def put(target, name, content):
    (OUT / target).mkdir(parents=True, exist_ok=True)
    (OUT / target / name).write_bytes(content if isinstance(content, bytes) else content.encode())


# GGUF: the smallest models of an architecture that are whole.

def text(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(value)) + value


def value(v):
    if isinstance(v, bool):
        return struct.pack("<iB", 7, v)
    if isinstance(v, int):
        return struct.pack("<iI", 4, v)
    if isinstance(v, float):
        return struct.pack("<if", 6, v)
    if isinstance(v, str):
        return struct.pack("<i", 8) + text(v)
    if all(isinstance(one, str) for one in v):
        return struct.pack("<iiQ", 9, 8, len(v)) + b"".join(map(text, v))
    return struct.pack("<iiQ", 9, 5, len(v)) + b"".join(struct.pack("<i", one) for one in v)


def gguf(pairs, tensors, version=3):
    out = b"GGUF" + struct.pack("<Iqq", version, len(tensors), len(pairs))
    for key, one in pairs:
        out += text(key) + value(one)
    data = b""
    for name, shape, kind, size in tensors:
        out += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<q", n) for n in shape)
        out += struct.pack("<iQ", kind, len(data))
        data += bytes(size) + bytes(-size % 32)
    return out + bytes(-len(out) % 32) + data


def byte_stand_ins():
    printable = [b for b in range(256) if 0x21 <= b <= 0x7E or (b >= 0xA1 and b != 0xAD)]
    moved = iter(range(0x100, 0x200))
    return [chr(b) if b in printable else chr(next(moved)) for b in range(256)]


def tiny(architecture, tokenizer=True, more=(), extra_tensors=()):
    hidden, heads, vocab = 32, 2, 264
    key = architecture + "."
    pairs = [("general.architecture", architecture), ("general.alignment", 32), (key + "context_length", 64),
             (key + "embedding_length", hidden), (key + "block_count", 1), (key + "feed_forward_length", hidden),
             (key + "attention.head_count", heads), (key + "attention.head_count_kv", 1),
             (key + "attention.layer_norm_rms_epsilon", 1e-5), (key + "rope.dimension_count", hidden // heads), *more]
    if tokenizer:
        tokens = byte_stand_ins() + ["ab", "th", "the"] + ["<|c%d|>" % i for i in range(5)]
        pairs += [("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "gpt-2"), ("tokenizer.ggml.tokens", tokens),
                  ("tokenizer.ggml.token_type", [1] * 259 + [3] * 5), ("tokenizer.ggml.merges", ["a b", "t h", "th e"]),
                  ("tokenizer.ggml.bos_token_id", 259), ("tokenizer.ggml.add_bos_token", True),
                  ("tokenizer.chat_template", "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}")]
    block = lambda name, rows, columns: ("blk.0." + name, [columns, rows], 2, rows * columns // 32 * 18)  # Q4_0
    tensors = [("token_embd.weight", [hidden, vocab], 8, vocab * 34), ("output_norm.weight", [hidden], 0, hidden * 4),
               ("blk.0.attn_norm.weight", [hidden], 0, hidden * 4), ("blk.0.ffn_norm.weight", [hidden], 0, hidden * 4),
               block("attn_q.weight", hidden, hidden), block("attn_k.weight", 16, hidden), block("attn_v.weight", 16, hidden),
               block("attn_output.weight", hidden, hidden), block("ffn_gate.weight", hidden, hidden),
               block("ffn_up.weight", hidden, hidden), block("ffn_down.weight", hidden, hidden), *extra_tensors]
    return gguf(pairs, tensors)


def make_gguf():
    put("gguf", "llama", tiny("llama"))
    put("gguf", "llama_without_tokenizer", tiny("llama", False))
    put("gguf", "llama_linear", tiny("llama", False, [("llama.rope.scaling.type", "linear"), ("llama.rope.scaling.factor", 2.0)]))
    put("gguf", "llama_divisors", tiny("llama", False, extra_tensors=[("rope_freqs.weight", [8], 0, 32)]))
    for architecture in ("qwen2", "qwen3", "gemma3", "phi3"):
        put("gguf", architecture, tiny(architecture, False))
    put("gguf", "empty", gguf([], []))
    put("gguf", "version_1", gguf([], [], 1))
    put("gguf", "cut_off", tiny("llama", False)[:300])
    put("gguf", "nested_array", b"GGUF" + struct.pack("<Iqq", 3, 0, 1) + text("a") + struct.pack("<iiQiQ", 9, 9, 1, 9, 1))
    put("gguf", "safetensors", struct.pack("<Q", 2) + b"{}")


# A tokenizer: see tokenizer_fuzz.cpp.

def short(one):
    one = one.encode() if isinstance(one, str) else one
    return bytes([len(one)]) + one


def tokenizer(flags, model, pre, tokens, types, merges, ids, words):
    out = bytes([flags, model, pre, len(tokens)]) + b"".join(map(short, tokens)) + bytes(types)
    out += bytes([len(merges)]) + b"".join(map(short, merges)) + bytes(ids)
    return out + (words if isinstance(words, bytes) else words.encode())


def make_tokenizers():
    words = "Hello, the world's 123 caf\u00e9s\n\n  <|a|> \u65e5\u672c\U0001f642 'll\t\u00a0x"
    merged = ["th", "the", "\u0120t", "ll", "123"]
    merges = ["t h", "th e", "\u0120 t", "l l"]
    for pre in range(6):
        put("tokenizer", "bytes_%d" % pre, tokenizer(1, 0, pre, merged, [], merges, [0] * 6, words))
    special = ["<|a|>", "<|a", "[U]", "\u2581the", "<0x41>"]
    put("tokenizer", "special", tokenizer(1 | 2 | 8 | 16 | 32, 0, 1, special, [3, 3, 4, 1, 6], [], [1, 2, 0, 3, 0, 4], words + "[U]"))
    put("tokenizer", "not_all_bytes", tokenizer(2, 0, 0, ["a", "b", "ab", "<unk>"], [1, 1, 1, 2], ["a b"], [0, 0, 0, 4, 0, 0], "ab\xffba"))
    put("tokenizer", "not_utf8", tokenizer(1, 0, 0, merged, [], merges, [0] * 6, b"a\xff\xfe\xc3"))
    put("tokenizer", "long_word", tokenizer(1, 0, 0, merged, [], merges, [0] * 6, "the" * 3000))
    put("tokenizer", "sentencepiece", tokenizer(2 | 4 | 8 | 64, 1, 5, ["<unk>", "<s>", "</s>", "\u2581", "a", "\u2581a", "<0x41>", "<0xE6>"],
                                                [2, 3, 3, 1, 1, 1, 6, 6], [], [2, 3, 0, 1, 0, 0], "a \u65e5a"))
    put("tokenizer", "bad_merge", tokenizer(1, 0, 0, [], [], ["a", "no such"], [0] * 6, "a"))
    put("tokenizer", "twice", tokenizer(1, 0, 0, ["a", "a"], [], [], [0] * 6, "a"))


# A chat template and a conversation: see template_fuzz.cpp.

TALK = "message system Be brief.\nmessage user Hi \\n\nmessage assistant <think>\\nx</think>\nmessage user \npart a\npart b\n"
CALLS = ("message user Hi\nmessage assistant \ncall abcdefghi f {\"x\": [1, 2.5, null]}\nmessage tool 2\nanswers abcdefghi\n"
         "tools [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]\narguments {\"enable_thinking\": false}\n")


def make_templates():
    for path in sorted(TEMPLATES.glob("*.jinja")):
        put("template", path.stem, path.read_bytes() + b"\0" + (CALLS if path.stem in ("qwen3", "llama-3.1", "mistral-nemo") else TALK).encode())
    put("template", "statements", (
        "{% macro f(a, b=1) %}{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{{ caller is defined }}{% endmacro %}{{ f(1, *[2, 3], **{'k': 4}) }}"
        "{% call(x) f(1) %}{{ x }}{% endcall %}{% for a, b in {'k': 1}.items() if a %}{{ loop.index }}{% else %}-{% endfor %}"
        "{% for n in [1, [2, [3]]] recursive %}{{ loop(n) if n is not number else n }}{% endfor %}{% set ns = namespace(x=1) %}"
        "{% set ns.x = 2 %}{% set y|upper %}a{% endset %}{% filter trim %} b {% endfilter %}{% with q = 1 %}{{ q }}{% endwith %}"
        "{%- raw -%} {{ }} {%- endraw %}{% generation %}g{% endgeneration %}{% do ns %}{# c -#} {{ strftime_now('%d %b %Y') }}\0") + TALK)
    put("template", "expressions", (
        "{{ -2 ** 2 // 3 % 5 ~ 1.5e3 + 'a' * 2 if 1 < 2 <= 3 and not u is defined else none }}{{ [1, (2,), {'a': 'b'}][::-1][1:2] }}"
        "{{ messages|map(attribute='content')|join('|')|tojson(indent=2) }}{{ '%s-%05.1f'|format('a', 2) }}{{ '{} {x!r}'.format(1, x='y') }}"
        "{{ 'a,b'.split(',')|sort(reverse=true)|unique|list|batch(2, 0)|list }}{{ messages[0].content.strip().title().replace('e', 'E') }}"
        "{{ range(3)|sum is divisibleby 3 }}{{ {'b': 1, 'a': 2}|dictsort }}{{ 'it''s \\x41\\u00e9'|upper|urlencode }}\0") + TALK)
    put("template", "continued", "{% for m in messages %}<{{ m.content | trim }}>{% endfor %}\0message user a\nmessage assistant b \ncontinue\n")
    put("template", "deep", "{{ " + "(" * 119 + "1" + ")" * 119 + " }}")
    put("template", "endless", "{% macro f(n) %}{% for i in [1, 2] %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}")
    put("template", "large", "{% set n = namespace(x='aa') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}")


# Bodies of requests.

def make_requests():
    talk = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "n"},
            {"role": "assistant", "content": None}]
    bodies = {
        "chat": {"model": "tiny", "messages": talk, "temperature": 0.5, "top_p": 0.9, "max_tokens": 8, "stop": ["x", "y"], "stream": True,
                 "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 3, "n": 2, "seed": -1, "user": "u"},
        "chat_of_template": {"messages": talk, "chat_template_kwargs": {"enable_thinking": False, "x": [{"y": 1e3}]},
                             "continue_final_message": True, "max_completion_tokens": 4},
        "chat_with_calls": {"messages": [{"role": "assistant", "content": None, "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "content": "2", "tool_call_id": "1"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "tool_choice": "auto"},
        "completion": {"prompt": "a\u00e9\ud83d\ude42", "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "presence_penalty": -2, "best_of": 1,
                       "frequency_penalty": 2, "logit_bias": {"5": -100, "6": 1.5}, "min_tokens": 1, "ignore_eos": True, "stop_token_ids": [1, 2],
                       "priority": -3, "timeout_ms": 100, "cache_salt": "s", "logprobs": 5},
        "completion_of_ids": {"prompt": [[1, 2], [3]], "n": 3, "max_tokens": 5.0},
        "completion_of_texts": {"prompt": ["a", "b"], "echo": False, "suffix": None, "response_format": {"type": "text"}},
        "completion_that_is_scored": {"prompt": ["a", "bc"], "echo": True, "logprobs": 2, "max_tokens": 0, "prompt_logprobs": 3, "n": 2, "best_of": 4},
        "tokenize": {"messages": talk, "add_special_tokens": True, "return_token_strs": True},
        "detokenize": {"tokens": [1, 2, 255]},
        "shed": {"below_priority": 5},
        "cancel": {"tenant": "3f786850e387"},
        "cache": {"result_cache": False, "prefix_cache": True},
        "ws_submit": {"type": "submit", "id": "a", "request": {"messages": talk}},
        "ws_cancel": {"type": "cancel", "id": "a"},
        "out_of_range": {"messages": talk, "temperature": 2.0000001, "top_p": 0, "n": 1e30, "seed": 1e19, "max_tokens": -1},
    }
    for name, body in bodies.items():
        put("request", name, json.dumps(body))
    put("request", "deep", "[" * 70 + "]" * 70)
    put("request", "not_utf8", b'{"prompt":"\xff\xc3"}')
    put("request", "infinite", '{"prompt":"a","temperature":1e999}')
    put("request", "twice", '{"prompt":"a","prompt":{"a":1},"prompt":5}')


make_gguf()
make_tokenizers()
make_templates()
make_requests()
