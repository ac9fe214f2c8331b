"""The published expressions of the pre-tokenizers, and what python's `regex` splits by them: the expected values of ours.

\\s is written out, because engines disagree about it; contractions are, because some fold U+017F to s.
"""
import regex

SPACE = "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"
CONTRACTION = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
LINES = "|[_]*[\\r\\n]+|[_]+(?![^_])|[_]+"
G = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^_\\p{L}\\p{N}]+|[_]+(?![^_])"
L3 = CONTRACTION + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^_\\p{L}\\p{N}]+[\\r\\n]*" + LINES
Q35 = CONTRACTION + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^_\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" + LINES
UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
LEADER = "[^\\r\\n\\p{L}\\p{N}]?"
SIGNS = "| ?[^_\\p{L}\\p{N}]+[\\r\\n/]*" + LINES
T = LEADER + UPPER + "*" + LOWER + "+|" + LEADER + UPPER + "+" + LOWER + "*|\\p{N}" + SIGNS
MAYBE = "(?:" + CONTRACTION + ")?"
O = LEADER + UPPER + "*" + LOWER + "+" + MAYBE + "|" + LEADER + UPPER + "+" + LOWER + "*" + MAYBE + "|\\p{N}{1,3}" + SIGNS
D3 = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^`{|}~\\x5f][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*" + LINES
)
SPLITTERS = {
    "smollm": ["\\p{N}", G],
    "gpt-2": [G],
    "llama-bpe": [L3],
    "qwen2": [L3.replace("{1,3}", "")],
    "default": ["[\\p{P}$+<=>^~|]+", G, "\\p{N}+", "[0-9][0-9][0-9]"],
    "qwen35": [Q35],
    "tekken": [T],
    "gpt-4o": [O],
    "deepseek-v3": ["\\p{N}{1,3}", "[一-龥\\u3040-ゟ゠-ヿ]+", D3],
    "deepseek-coder": ["[\\r\\n]", "[_]?\\p{L}+", "[_]?\\p{P}+", "[一-龥ࠀ-一가-\\ud7ff]+", "\\p{N}"],
    "falcon": ["[\\p{P}$+<=>^~|`]+", G, "[0-9][0-9][0-9]"],
}
EXPRESSIONS = {
    name: [regex.compile(each.replace("_", SPACE), regex.V0) for each in steps] for name, steps in SPLITTERS.items()
}

# Characters at which splitters differ.
ALPHABET = list("aZ'sSlLdtrevm 09.,!$+<~\n\r\t_-/`^\"[\\") + ["  ", "é", "É", "日", "本", "ー", "゛", "½", "٣", "\u00a0", "\u3000"]
ALPHABET += ["\u0301", "\u3099", "…", "€", "ǅ", "ʰ", "\u200d", "🙂", "𝔘", "\u2028", "'ll", "'RE", "123", "\r\n", "/\n", "가", "①"]
ALPHABET += ["\u0085", "\u180e", "ᄀ", "ࠀ", "\U0010ffff", "\U0002ebf1"]
NEW_LETTER = "\U0002ebf1"  # newer than the tables of some versions of python's regex


def split(name, text):
    pieces = [text] if text else []
    for matcher in EXPRESSIONS[name]:
        parts = []
        for piece in pieces:
            at = 0
            for match in matcher.finditer(piece):
                parts += [piece[at : match.start()], match.group()]
                at = match.end()
            parts.append(piece[at:])
        pieces = [part for part in parts if part]
    return pieces


def random_text(rng, alphabet=ALPHABET, longest=14):
    while True:
        text = "".join(rng.choice(alphabet) for _ in range(rng.randint(1, longest)))
        if NEW_LETTER not in text:
            return text
