#!/usr/bin/env python3
"""A GGUF file of a llama model with random weights: a shape to measure, nothing to talk to.

    bench/made_up_model.py --tokenizer FILE.gguf --out FILE.gguf [--type Q4_0] [--hidden N ...]

The defaults are Llama 3.2 1B's shape with the tokenizer (and so the vocabulary) of another file. The codes are random,
the scales such that activations neither vanish nor grow; the embeddings, which are the head, too, are Q8_0. Needs numpy.
"""
import argparse
import struct

import numpy

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY, U32, REAL = 8, 9, 4, 6  # kinds of values
F32, TENSOR_TYPES = 0, {"F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 8}
BYTES_OF_32 = {"F16": 64, "Q4_0": 18, "Q4_1": 20, "Q8_0": 34}
ALIGNMENT = 32


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        value = struct.unpack_from(form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def skip_value(self, kind):
        if kind == STRING:
            length = self.take("<Q")
            self.at += length
        elif kind == ARRAY:
            element, count = self.take("<I"), self.take("<Q")
            for _ in range(count):
                self.skip_value(element)
        else:
            self.at += struct.calcsize(SCALARS[kind])


def tokenizer_of(path):
    """The keys tokenizer.* of a file as they stand in it, and how many tokens there are."""
    reader = Reader(open(path, "rb").read(64 << 20))
    reader.at = 16
    kept, tokens = [], 0
    for _ in range(reader.take("<Q")):
        begin = reader.at
        length = reader.take("<Q")
        key = reader.data[reader.at : reader.at + length].decode()
        reader.at += length
        kind = reader.take("<I")
        if key == "tokenizer.ggml.tokens":
            tokens = struct.unpack_from("<Q", reader.data, reader.at + 4)[0]
        reader.skip_value(kind)
        if key.startswith("tokenizer."):
            kept.append(reader.data[begin : reader.at])
    return kept, tokens


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def padding(size):
    return b"\0" * (-size % ALIGNMENT)


def matrix(kind, columns, rows, random):
    """Rows of random weights with the standard deviation 1 / sqrt(columns)."""
    deviation = columns**-0.5
    if kind == "F16":
        return (random.standard_normal((rows, columns), "f4") * deviation).astype("<f2")
    spread = {"Q4_0": 4.61, "Q4_1": 4.61, "Q8_0": 73.9}[kind]  # of codes that are equally likely
    blocks = random.integers(0, 256, (rows * columns // 32, BYTES_OF_32[kind]), "u1")
    scale = numpy.float16(deviation / spread)
    blocks[:, :2] = numpy.frombuffer(scale.tobytes(), "u1")
    if kind == "Q4_1":
        blocks[:, 2:4] = numpy.frombuffer(numpy.float16(-7.5 * scale).tobytes(), "u1")
    return blocks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--type", choices=TENSOR_TYPES, default="Q4_0")
    for name, value in (("hidden", 2048), ("layers", 16), ("heads", 32), ("kv-heads", 8), ("head-dim", 64), ("ffn", 8192), ("context", 8192)):
        parser.add_argument(f"--{name}", type=int, default=value)
    a = parser.parse_args()
    kept, vocab = tokenizer_of(a.tokenizer)
    numbers = {
        "context_length": a.context, "embedding_length": a.hidden, "block_count": a.layers, "feed_forward_length": a.ffn,
        "attention.head_count": a.heads, "attention.head_count_kv": a.kv_heads, "attention.key_length": a.head_dim,
        "attention.value_length": a.head_dim, "rope.dimension_count": a.head_dim, "vocab_size": vocab,
    }
    keys = [text("general.architecture") + struct.pack("<I", STRING) + text("llama")]
    keys += [text("general.name") + struct.pack("<I", STRING) + text("made up")]
    keys += [text("llama." + key) + struct.pack("<II", U32, value) for key, value in numbers.items()]
    for key, value in (("attention.layer_norm_rms_epsilon", 1e-5), ("rope.freq_base", 500000.0)):
        keys.append(text("llama." + key) + struct.pack("<If", REAL, value))
    keys += kept

    q, kv = a.heads * a.head_dim, a.kv_heads * a.head_dim
    tensors = [("token_embd.weight", (a.hidden, vocab)), ("output_norm.weight", (a.hidden,))]
    for i in range(a.layers):
        for name, shape in (
            ("attn_norm", (a.hidden,)), ("attn_q", (a.hidden, q)), ("attn_k", (a.hidden, kv)), ("attn_v", (a.hidden, kv)),
            ("attn_output", (q, a.hidden)), ("ffn_norm", (a.hidden,)), ("ffn_gate", (a.hidden, a.ffn)),
            ("ffn_up", (a.hidden, a.ffn)), ("ffn_down", (a.ffn, a.hidden)),
        ):
            tensors.append((f"blk.{i}.{name}.weight", shape))
    kind_of = lambda name, shape: None if len(shape) == 1 else "Q8_0" if name == "token_embd.weight" and a.type != "F16" else a.type
    size_of = lambda kind, shape: 4 * shape[0] if kind is None else shape[0] * shape[1] // 32 * BYTES_OF_32[kind]
    with open(a.out, "wb") as out:
        header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
        offset = 0
        for name, shape in tensors:
            kind = kind_of(name, shape)
            header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
            header += struct.pack("<IQ", F32 if kind is None else TENSOR_TYPES[kind], offset)
            offset += size_of(kind, shape) + len(padding(size_of(kind, shape)))
        out.write(header + padding(len(header)))
        random = numpy.random.default_rng(1)
        for name, shape in tensors:
            kind = kind_of(name, shape)
            data = numpy.ones(shape, "<f4") if kind is None else matrix(kind, *shape, random)
            out.write(data.tobytes() + padding(data.nbytes))
    print(f"{a.out}: {sum(int(numpy.prod(shape)) for _, shape in tensors) / 1e9:.2f}e9 weights")


main()
