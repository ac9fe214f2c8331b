"""Logits of the golden tiny models with other rotary scalings, by Hugging Face's transformers: an independent reference for YaRN and
longrope, of which golden/ has none. Writes test/model/data/rope_golden.txt. Run by hand, with torch, transformers and gguf:

    make_rope_golden.py GOLDEN_FOLDER test/model/data/rope_golden.txt
"""
import sys

import torch
from transformers import AutoConfig, AutoModelForCausalLM

POSITIONS = 96
CASES = {
    # 4 times 64 positions; with a magnitude of its own; and with other ramps.
    "yarn": ("llama_plain", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}),
    "yarn_magnitude": ("llama_plain", {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32, "attention_factor": 1.5}),
    "yarn_ramp": ("llama_plain", {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128, "beta_fast": 8.0, "beta_slow": 2.0}),
    # Within and beyond the original context: the short and the long divisors.
    "longrope_short": ("phi3_short", {"rope_type": "longrope", "short_factor": None, "long_factor": None, "original_max_position_embeddings": 128}),
    "longrope_long": ("phi3_short", {"rope_type": "longrope", "short_factor": None, "long_factor": None, "original_max_position_embeddings": 48}),
}


def divisors(pairs, first, last):
    return [first + (last - first) * i / max(1, pairs - 1) for i in range(pairs)]


def main(golden, out):
    tokens = torch.tensor([[(37 * i + 11) % 128 for i in range(POSITIONS)]])
    with open(out, "w") as file:
        for name, (model_name, scaling) in CASES.items():
            gguf = {"gguf_file": model_name + ".gguf"}
            config = AutoConfig.from_pretrained(golden, **gguf)
            heads, hidden = config.num_attention_heads, config.hidden_size
            head = getattr(config, "head_dim", None) or hidden // heads
            share = getattr(config, "partial_rotary_factor", None) or (config.rope_parameters or {}).get("partial_rotary_factor", 1.0)
            pairs = int(head * share) // 2
            if "short_factor" in scaling:
                scaling = {**scaling, "short_factor": divisors(pairs, 1.0, 1.75), "long_factor": divisors(pairs, 1.25, 6.0)}
            theta = config.rope_parameters["rope_theta"]
            config.rope_parameters = {**scaling, "rope_theta": theta}
            if share != 1.0:
                config.rope_parameters["partial_rotary_factor"] = share
            config.max_position_embeddings = 256
            config.pad_token_id = None  # the tiny files have no such token
            config.original_max_position_embeddings = scaling["original_max_position_embeddings"]
            model = AutoModelForCausalLM.from_pretrained(golden, config=config, dtype=torch.float32, attn_implementation="eager", **gguf).eval()
            with torch.no_grad():
                logits = model(tokens).logits[0].double()
            print(name, "pairs", pairs, "theta", theta, "magnitude", model.model.rotary_emb.attention_scaling, model.config.rope_parameters)
            for position in (1, 40, POSITIONS - 1):
                file.write(f"{name}.{position}: " + " ".join(f"{value:.6f}" for value in logits[position].tolist()) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
