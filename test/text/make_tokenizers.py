#!/usr/bin/env python3
"""Makes small tokenizers with the reference libraries and writes what those encode; run by hand.

usage: make_tokenizers.py OUT_DIR     (needs the PyPI packages sentencepiece and tokenizers)

  spm_prefix.txt, spm_user.txt   SentencePiece models (BPE with byte fallback): settings, tokens, texts with their ids.
                                 spm_prefix puts a space before text; spm_user does not, and has user-defined tokens.
  tokenizer_NAME.json            tokenizer.json files of the families that are read
  tokenizer_NAME.txt             text <tab> ids <tab> ids with special tokens as plain text, by Hugging Face's tokenizers

The corpus is in this file, the random texts are seeded: the same versions write the same files.
"""
import io
import json
import random
import sys

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from extract_fixtures import escaped, numbers, write

CORPUS = [
    "An inference server holds the weights of a model in memory and answers many requests at the same time.",
    "The scheduler decides at every step which sequences take part, and how many tokens of each prompt are read.",
    "It's what we've been waiting for: they'll say that I'm right, and you'd agree. Don't they?",
    "def read(path):\n    with open(path) as file:\n        return [int(x) for x in file.read().split()]\n",
    "for (int i = 0; i < count; ++i) {\n\ttotal += values[i] * weights[i];\n}\n",
    "Numbers such as 3.14159, 2,718 and 1234567890 are cut in different ways; so are 1999, 2024 and 42.",
    "服务器同时回答许多请求。每一步都有一个调度器决定哪些序列参加。",
    "サーバーは多くのリクエストに同時に答えます。トークンは一つずつ計算されます。",
    "Le café est fermé à Noël; naïve, déjà vu, garçon. Straße, Größe, Übung, Äpfel.",
    "Быстрая лисица прыгает через ленивую собаку, а сервер отвечает на запросы.",
    "Привет, мир! Здравствуйте! مرحبا بالعالم שלום עולם",
    "    four spaces\n        eight spaces\n\n\nthree line breaks\ttab\t\ttwo tabs   three spaces",
    "HTML <b>bold</b> and <i>italics</i>, a URL https://example.org/a/b?c=d&e=f, an e-mail a.b@example.org.",
]
SPICE = ["🙂", "👩‍🚀", "é", "e\u0301", "a\u0323\u0307", "\u00a0", "\u3000", "½", "٣", "\u200d", "𝔘", "▁", "▁▁", "<s>", "</s>", "<unk>", "<0x41>", "\r\n", "\x04", "가", "\u1100\u1161"]


def texts(rng, count, specials):
    """Pieces of the corpus, mixed with what is unusual."""
    yield from ["", " ", "  ", "   a", "a ", "\n", "Hello world", " Hello  world ", "a" * 200, " " * 70, "\n" * 40, "<s>hi</s>"]
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 5)):
            line = rng.choice(CORPUS)
            at = rng.randrange(len(line))
            parts.append(rng.choice([line[at : at + rng.randint(1, 20)], rng.choice(SPICE), rng.choice(" \n\t'aZ9.,"), rng.choice(specials or [" "])]))
        yield "".join(parts)


def sentence_piece(out, name, prefix, user_defined):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in CORPUS for line in text.split("\n") * 3 if line), model_writer=model,
        model_type="bpe", vocab_size=700, byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity",
        add_dummy_prefix=prefix, remove_extra_whitespaces=False, user_defined_symbols=user_defined, minloglevel=2,
        hard_vocab_limit=False, split_digits=True, allow_whitespace_only_pieces=True)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    lines = ["add_space_prefix %d" % prefix, "tokens %d" % processor.vocab_size()]
    for id in range(processor.vocab_size()):
        kind = 2 if processor.is_unknown(id) else 3 if processor.is_control(id) else 6 if processor.is_byte(id) else 1
        text = processor.id_to_piece(id)
        if text in user_defined:
            # As converters write runs of spaces: they are looked for before spaces become marks.
            kind, text = 4, text.replace("▁", " ")
        lines.append("\t".join([str(kind), repr(processor.get_score(id)), escaped(text)]))
    rng = random.Random(700)
    for text in texts(rng, 500, [text.replace("▁", " ") for text in user_defined]):
        if user_defined and "▁" in text:  # a literal mark is a user-defined run of spaces to SentencePiece, text to GGUF
            continue
        lines.append("\t".join(["text", escaped(text), numbers(processor.encode(text))]))
    write("%s/%s.txt" % (out, name), lines)


CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACE = "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
L3 = CONTRACTION + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" + SPACE
UPPER, LOWER, LEADER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]", "[^\\r\\n\\p{L}\\p{N}]?"
TEKKEN = LEADER + UPPER + "*" + LOWER + "+|" + LEADER + UPPER + "+" + LOWER + "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" + SPACE
GPT4O = (LEADER + UPPER + "*" + LOWER + "+" + CONTRACTION + "?|" + LEADER + UPPER + "+" + LOWER + "*" + CONTRACTION +
         "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" + SPACE)
D3 = ("[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
      "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+")
BYTES = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def isolated(expression):
    return pre_tokenizers.Split(Regex(expression), "isolated")


def byte_level(steps, normalizer=None):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=520, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 2, trainer)
    return tokenizer


def character_bpe(normalizer, pre_tokenizer):
    """Trained, then given an unknown token, a beginning, an end and the 256 byte tokens before all others."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=330, limit_alphabet=80, show_progress=False, max_token_length=12, initial_alphabet=["▁"])
    tokenizer.train_from_iterator([" " + word for text in CORPUS for word in text.split(" ")], trainer)
    made = json.loads(tokenizer.to_str())
    first = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]
    trained = sorted(made["model"]["vocab"], key=made["model"]["vocab"].get)
    made["model"]["vocab"] = {text: id for id, text in enumerate(first + trained)}
    made["model"].update(unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    tokenizer = Tokenizer.from_str(json.dumps(made))
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in first[:3]])
    return tokenizer


def hugging_face(out, name, tokenizer, specials, frame=None, merges_as_text=False, ignore_merges=False, seed=1):
    for token in specials:
        (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
    if frame:
        single = [frame[0]] * bool(frame[0]) + ["$A"] + [frame[1]] * bool(frame[1])
        template = processors.TemplateProcessing(
            single=" ".join(single), special_tokens=[(token, tokenizer.token_to_id(token)) for token in frame if token])
        tokenizer.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    made = json.loads(tokenizer.to_str())
    made["model"]["ignore_merges"] = ignore_merges
    if merges_as_text:
        made["model"]["merges"] = [" ".join(merge) for merge in made["model"]["merges"]]
    tokenizer = Tokenizer.from_str(json.dumps(made))
    write("%s/tokenizer_%s.json" % (out, name), [json.dumps(made, ensure_ascii=False, separators=(",", ":"))])
    rng = random.Random(seed)
    lines = []
    for text in texts(rng, 160, [token.content for token in specials]):
        tokenizer.encode_special_tokens = False
        special = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        framed = tokenizer.encode(text, add_special_tokens=True).ids
        lines.append("\t".join([escaped(text), numbers(special), numbers(plain), numbers(framed)]))
    write("%s/tokenizer_%s.txt" % (out, name), lines)


def special(text, **more):
    return AddedToken(text, special=True, normalized=False, **more)


def user(text, **more):
    return AddedToken(text, special=False, normalized=False, **more)


def main():
    out = sys.argv[1]
    sentence_piece(out, "spm_prefix", True, [])
    sentence_piece(out, "spm_user", False, ["▁▁", "▁▁▁", "▁▁▁▁", "<b>", "</b>", "<tag", "<tag>", "日本"])
    digits, gpt2 = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    hugging_face(out, "gpt2", byte_level([gpt2]), [special("<|endoftext|>")], merges_as_text=True)
    hugging_face(out, "smollm", byte_level([digits, gpt2]), [special("<|im_start|>"), special("<|im_end|>")])
    hugging_face(out, "llama3", byte_level([isolated(L3), BYTES]), [special("<|begin_of_text|>"), special("<|eot_id|>")],
                 frame=("<|begin_of_text|>", None), ignore_merges=True)
    hugging_face(out, "qwen2", byte_level([isolated(L3.replace("{1,3}", "")), BYTES], normalizers.NFC()),
                 [special("<|im_end|>"), user("<tool_call>"), user("<tool")])
    hugging_face(out, "tekken", byte_level([isolated(TEKKEN), BYTES]), [special("[INST]"), special("[/INST]")])
    hugging_face(out, "gpt4o", byte_level([isolated(GPT4O), BYTES]), [special("<|end|>", rstrip=True), special("<|start|>", lstrip=True)])
    hugging_face(out, "deepseek3", byte_level([isolated("\\p{N}{1,3}"), isolated("[一-龥\u3040-ゟ゠-ヿ]+"), isolated(D3), BYTES],
                                              normalizers.Sequence([])),
                 [special("<｜begin▁of▁sentence｜>"), user("<think>")], frame=("<｜begin▁of▁sentence｜>", "<think>"))
    to_marks = normalizers.Replace(" ", "▁")
    hugging_face(out, "llama2", character_bpe(normalizers.Sequence([normalizers.Prepend("▁"), to_marks]), None),
                 [special("<|user|>", rstrip=True)], frame=("<s>", None), merges_as_text=True)
    hugging_face(out, "gemma", character_bpe(to_marks, pre_tokenizers.Split(" ", "merged_with_previous")),
                 [user("\n\n"), user("\n\n\n"), user("▁▁"), user("<b>"), special("<eos>")], frame=("<s>", "</s>"))
    hugging_face(out, "metaspace_first", character_bpe(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
                 [special("<|sep|>")])
    hugging_face(out, "metaspace_always", character_bpe(None, pre_tokenizers.Metaspace(prepend_scheme="always", split=False)),
                 [special("<|sep|>")])


if __name__ == "__main__":
    main()
