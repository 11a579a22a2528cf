#!/usr/bin/env python3
"""Makes tests/golden/models: tiny GPT-2s (in Hugging Face's files, or named by a synthetic spec) and what transformers
computes for them in double precision. Needs torch, transformers, safetensors, numpy; the versions are written down.

    python3 scripts/make_model_goldens.py
"""
import json
import pathlib
import platform

import numpy as np
import safetensors.torch
import torch
import transformers

import synthetic

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "golden" / "models"
VERSIONS = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__,
            "numpy": np.__version__}

# name, spec of the weights, file (None: the spec itself names the model), tokens, what it shows
MODELS = [
    ("plain", "L=2,C=48,H=3,F=100,V=3,T=11,std=0.15,seed=11", dict(dtype="F32", prefix="transformer.", buffers=True),
     [0, 2, 1, 1], "F32 file, names with prefix, stored mask buffers, tied head"),
    ("separate-head", "L=1,C=24,H=2,F=52,V=31,T=11,std=0.2,seed=12,tied=0", dict(dtype="F32", prefix="transformer."),
     [3, 30, 0, 7, 7], "a head of its own"),
    ("bf16-sharded", "L=2,C=24,H=3,F=44,V=29,T=11,std=0.2,seed=13", dict(dtype="BF16", prefix="", shards=3),
     [28, 1, 14], "BF16, three shards, names without prefix"),
    ("f16", "L=1,C=24,H=4,F=52,V=29,T=11,std=0.2,seed=14,tied=0", dict(dtype="F16", prefix=""), [5, 6],
     "F16, names without prefix, a head of its own"),
    ("vocabulary", "L=1,C=12,H=3,F=28,V=50257,T=11,std=0.3,seed=15", None, [50256, 0, 31337], "GPT-2's vocabulary"),
    ("one-head", "L=1,C=20,H=1,F=52,V=7,T=11,std=0.2,seed=16", None, [6, 0, 3], "one layer, one head"),
    ("full-context", "L=2,C=48,H=3,F=100,V=3,T=11,std=0.15,seed=17", None, [2, 0, 1, 1, 2, 2, 0, 1, 0, 2, 1],
     "as many tokens as the context holds"),
    ("epsilon", "L=2,C=48,H=3,F=100,V=17,T=11,std=0.1,epsilon=1e-2,seed=18", None, [16, 4, 4], "epsilon 1e-2"),
    ("gelu-erf-by-layer", "L=2,C=16,H=2,F=28,V=31,T=13,std=0.5,seed=25,activation=gelu_erf,scale_by_layer=1",
     dict(dtype="F16", prefix="transformer."), [30, 2, 17, 4, 4],
     "activation_function gelu, scale_attn_by_inverse_layer_idx"),
    ("relu", "L=1,C=20,H=4,F=36,V=29,T=11,std=0.5,seed=21,activation=relu", dict(dtype="BF16", prefix=""),
     [28, 0, 9], "activation_function relu"),
    ("silu", "L=1,C=24,H=2,F=28,V=23,T=11,std=0.5,seed=22,activation=silu", dict(dtype="F16", prefix=""),
     [22, 7, 7, 1], "activation_function silu"),
    ("tanh", "L=1,C=18,H=3,F=40,V=27,T=11,std=0.5,seed=23,activation=tanh", dict(dtype="BF16", prefix=""),
     [26, 5, 0], "activation_function tanh"),
    ("outliers", "L=3,C=96,H=4,F=200,V=301,T=23,std=0.1,outliers=1,seed=19", None, [300, 4, 0, 17],
     "huge channels: FP16 overflows in a key"),
]

# Weights that are only compared by checksum: too big for a golden run.
CHECKED = {"synthetic:124M": [("wpe", 0), ("qkv_w", 11), ("down_w", 11), ("lnf_b", 0)],
           "synthetic:1558M,seed=18446744073709551615": [("up_w", 47), ("qkv_b", 3), ("ln2_w", 0)],
           "synthetic:355M,outliers=1,tied=0": [("wpe", 0), ("qkv_w", 0), ("qkv_w", 1), ("up_w", 0), ("up_b", 0)]}

# transformers' names of activation functions.
HF_ACTIVATION = {"gelu_tanh": "gelu_new", "gelu_erf": "gelu", "relu": "relu", "silu": "silu", "tanh": "tanh"}

TORCH_TYPE = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
HF_NAME = {"wte": "wte.weight", "wpe": "wpe.weight", "ln1": "ln_1", "qkv": "attn.c_attn", "proj": "attn.c_proj",
           "ln2": "ln_2", "up": "mlp.c_fc", "down": "mlp.c_proj", "lnf": "ln_f", "head_w": "lm_head.weight"}


def hf_name(weight, layer):
    """The name without `transformer.`."""
    if weight in HF_NAME:
        return HF_NAME[weight]
    stem, kind = weight.split("_")
    module = HF_NAME[stem] if stem == "lnf" else f"h.{layer}.{HF_NAME[stem]}"
    return f"{module}.{'weight' if kind == 'w' else 'bias'}"


def is_conv1d(weight):
    return weight in ("qkv_w", "proj_w", "up_w", "down_w")


def hf_config(s):
    return transformers.GPT2Config(
        vocab_size=s["V"], n_positions=s["T"], n_embd=s["C"], n_layer=s["L"], n_head=s["H"], n_inner=s["F"],
        layer_norm_epsilon=s["epsilon"], tie_word_embeddings=bool(s["tied"]), bos_token_id=s["V"] - 1,
        eos_token_id=s["end_of_text"], activation_function=HF_ACTIVATION[s["activation"]],
        scale_attn_by_inverse_layer_idx=bool(s["scale_by_layer"]), attn_implementation="eager")


def state_of(weights):
    """transformers' names and layout, without the prefix."""
    return {hf_name(w, layer): torch.from_numpy(np.ascontiguousarray(v.T if is_conv1d(w) else v))
            for (w, layer), v in weights.items()}


def build(s, state):
    model = transformers.GPT2LMHeadModel(hf_config(s)).double().eval()
    named = {k if k.startswith("lm_head") else "transformer." + k: v.double() for k, v in state.items()}
    if s["tied"]:
        named["lm_head.weight"] = named["transformer.wte.weight"]
    model.load_state_dict(named, strict=True)
    return model


def save_folder(folder, s, state, dtype, prefix, shards=1, buffers=False):
    """Hugging Face's files for the tensors in `state`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = dict(model_type="gpt2", architectures=["GPT2LMHeadModel"], vocab_size=s["V"], n_positions=s["T"],
                  n_ctx=s["T"], n_embd=s["C"], n_layer=s["L"], n_head=s["H"], n_inner=s["F"],
                  activation_function=HF_ACTIVATION[s["activation"]], layer_norm_epsilon=s["epsilon"], bos_token_id=s["V"] - 1,
                  eos_token_id=s["end_of_text"], tie_word_embeddings=bool(s["tied"]))
    if s["scale_by_layer"]:
        config["scale_attn_by_inverse_layer_idx"] = True
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = {k if k.startswith("lm_head") else prefix + k: v.to(TORCH_TYPE[dtype]) for k, v in state.items()}
    for layer in range(s["L"] if buffers else 0):
        tensors[f"{prefix}h.{layer}.attn.bias"] = torch.ones(1, 1, s["T"], s["T"], dtype=torch.uint8).tril()
        tensors[f"{prefix}h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    if shards == 1:
        safetensors.torch.save_file(tensors, folder / "model.safetensors")
        return
    files = [f"model-{i + 1:05}-of-{shards:05}.safetensors" for i in range(shards)]
    place = {name: files[i % shards] for i, name in enumerate(tensors)}
    for file in files:
        safetensors.torch.save_file({n: t for n, t in tensors.items() if place[n] == file}, folder / file)
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def number(x):
    return float(f"{float(x):.10g}")


def logit_row(logits, position):
    """A row whole, or of a big vocabulary about 64 spread ids and the best eight, with the sum over all ids."""
    row = logits[position]
    out = {"position": position, "sum": number(row.sum()), "rms": number((row * row).mean().sqrt())}
    if row.numel() > 512:
        ids = set(range(0, row.numel(), row.numel() // 63)) | set(row.topk(8).indices.tolist()) | {row.numel() - 1}
        out["ids"] = sorted(ids)
        row = row[out["ids"]]
    return out | {"logits": [number(x) for x in row]}


@torch.no_grad()
def greedy(model, tokens, count):
    """The best next token `count` times, and by how much it leads."""
    ids, margins = list(tokens), []
    for _ in range(count):
        row = model(torch.tensor([ids])).logits[0, -1]
        best, second = row.topk(2).values.tolist()
        ids.append(int(row.argmax()))
        margins.append(number(best - second))
    return ids[len(tokens):], margins


@torch.no_grad()
def run(model, tokens, count, positions):
    logits = model(torch.tensor([tokens])).logits[0]
    assert logits.dtype == torch.float64
    chosen, margins = greedy(model, tokens, count)
    return {"tokens": tokens, "rows": [logit_row(logits, p) for p in positions], "greedy": chosen, "margins": margins}


def write(name, golden):
    lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in golden.items()]
    (OUT / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def make_model(name, spec, file, tokens, about):
    s = synthetic.parse(spec)
    weights = synthetic.weights(s)
    state = state_of(weights)
    golden = {"about": about, "versions": VERSIONS}
    if file:
        save_folder(OUT / name, s, state, **file)
        state = {k: v.to(TORCH_TYPE[file["dtype"]]).float() for k, v in state.items()}
    golden["model"] = name if file else "synthetic:" + spec
    golden["shape"] = {k: s[k] for k in ("L", "H", "C", "F", "V", "T", "end_of_text", "epsilon", "tied")}
    stored = {key: state[hf_name(*key)].numpy() for key in weights}
    golden["checksums"] = {f"{w}.{layer}": synthetic.checksum(v.T if is_conv1d(w) else v)
                           for (w, layer), v in stored.items()}
    golden |= run(build(s, state), tokens, s["T"] - len(tokens), range(len(tokens)))
    write(name, golden)


def make_demo():
    folder = ROOT / "models" / "demo"
    model = transformers.GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float64, attn_implementation="eager")
    prompt = [2441, 678, 258, 529]  # "Once upon a time"
    out = run(model.eval(), prompt, 60, [0, 3])
    out["rows"].append(logit_row(model(torch.tensor([prompt + out["greedy"]])).logits[0].detach(), 63))
    write("demo", {"about": "the demo model: greedy continuation of 'Once upon a time'", "versions": VERSIONS,
                   "model": "models/demo"} | out)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for model in MODELS:
        make_model(*model)
    make_demo()
    checks = {spec: {f"{w}.{layer}": synthetic.checksum(synthetic.tensor(w, layer, synthetic.parse(spec)))
                     for w, layer in names} for spec, names in CHECKED.items()}
    (OUT / "synthetic.checksums.json").write_text(json.dumps(checks, indent=1) + "\n")


if __name__ == "__main__":
    main()
