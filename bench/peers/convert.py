#!/usr/bin/env python3
"""Writes one model folder from the float32 weights of a GGUF file: convert.py WHAT SOURCE INTO

WHAT is huggingface (from the GGUF file; every other reads that folder), openvino-int8, openvino-int4, onnxruntime-int4
or vllm-int8. Runs in the environment "convert" of compare_peers.py, which calls it for each.
"""
import json
import pathlib
import shutil
import subprocess
import sys

BIN = pathlib.Path(sys.executable).parent
INT4_GROUP = 64
CONTROL = 3  # the type of a token in a GGUF file that text never means


def huggingface(source, into):
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    model.save_pretrained(into)
    write_tokenizer({name.removeprefix("tokenizer."): field.contents()
                     for name, field in GGUFReader(source).fields.items() if name.startswith("tokenizer.")}, into)


def write_tokenizer(fields, into):
    """Byte-level BPE with single digits, which is what the file says ("gpt2", "smollm"); adds no token to a prompt."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    kind = fields["ggml.model"], fields["ggml.pre"]
    if kind != ("gpt2", "smollm"):
        raise SystemExit(f"the tokenizer is {' '.join(kind)}; only gpt2 smollm is known here")
    tokens = fields["ggml.tokens"]
    backend = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                   merges=[tuple(merge.split(" ")) for merge in fields["ggml.merges"]]))
    backend.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                     pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([token for token, kind in zip(tokens, fields["ggml.token_type"]) if kind == CONTROL])
    special = {f"{name}_token": tokens[fields[f"ggml.{name}_token_id"]] for name in ("bos", "eos")}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special, pad_token=special["eos_token"],
                            chat_template=fields.get("chat_template")).save_pretrained(into)
    config = json.loads((into / "tokenizer_config.json").read_text())
    config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name that every peer knows
    (into / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


def openvino(source, into, *options):
    subprocess.run([BIN / "optimum-cli", "export", "openvino", "--model", source, "--task", "text-generation-with-past",
                    "--disable-convert-tokenizer", *map(str, options), into], check=True)
    subprocess.run([BIN / "convert_tokenizer", source, "--output", into, "--with-detokenizer"], check=True)


def onnxruntime_int4(source, into):
    """Blocks of 32 of symmetric 4-bit weights, the head of 8 bits, activations of 8 bits (accuracy level 4)."""
    subprocess.run([sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", source, "-o", into, "-p", "int4",
                    "-e", "cpu", "-c", into / "cache", "--extra_options", "accuracy_level=4", "block_size=32",
                    "algo_config=rtn_last"], check=True)
    shutil.rmtree(into / "cache", ignore_errors=True)


def vllm_int8(source, into):
    """The format compressed-tensors, W8A8: int8 weights with a scale for each output channel, int8 activations with a
    scale for each token, made as they come. Embeddings and head stay bfloat16."""
    import torch
    from safetensors.torch import load_file, save_file
    shutil.copytree(source, into, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    tensors = {}
    for name, weight in load_file(source / "model.safetensors").items():
        if not name.endswith("_proj.weight"):
            tensors[name] = weight.to(torch.bfloat16)
            continue
        scale = (weight.abs().amax(dim=1, keepdim=True) / 127).clamp(min=1e-8).to(torch.bfloat16)  # [outputs, 1]
        tensors[name] = (weight / scale.float()).round().clamp(-128, 127).to(torch.int8)
        tensors[name + "_scale"] = scale
    save_file(tensors, into / "model.safetensors", metadata={"format": "pt"})

    def eight_bits(strategy, dynamic):
        return {"num_bits": 8, "type": "int", "symmetric": True, "strategy": strategy, "dynamic": dynamic}

    config = json.loads((source / "config.json").read_text())
    config["dtype"] = "bfloat16"
    config["quantization_config"] = {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": eight_bits("channel", False),
                                      "input_activations": eight_bits("token", True)}},
    }
    (into / "config.json").write_text(json.dumps(config, indent=1))


KINDS = {
    "huggingface": huggingface,
    "openvino-int8": lambda source, into: openvino(source, into, "--weight-format", "int8"),
    "openvino-int4": lambda source, into: openvino(source, into, "--weight-format", "int4", "--group-size", INT4_GROUP,
                                                   "--ratio", "1.0"),
    "onnxruntime-int4": onnxruntime_int4,
    "vllm-int8": vllm_int8,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](pathlib.Path(sys.argv[2]).absolute(), pathlib.Path(sys.argv[3]).absolute())
