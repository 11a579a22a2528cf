#!/usr/bin/env python3
"""Writes tests/golden/torch: small models as people save them with PyTorch, and the logits that they give.

    pip install torch
    python scripts/make_torch_goldens.py

Every file is read by the loader torch. The logits are computed here in double precision from the values in the file,
with GELU in its tanh form.
"""

import dataclasses
import json
import math
import pathlib
import sys

import torch

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "tests/golden/torch"
L, H, C, V, T = 2, 3, 12, 7, 6
TOKENS = [3, 0, 6, 1]


@dataclasses.dataclass
class GPTConfig:
    block_size: int = T
    vocab_size: int = V
    n_layer: int = L
    n_head: int = H
    n_embd: int = C


def random_model(generator, width, bias=True, tied=True):
    """A state dict with the names of transformers and nanoGPT; matrices are (out, in), as nn.Linear keeps them."""

    def normal(*shape, scale=0.5, mean=0.0):
        return torch.randn(*shape, generator=generator) * scale + mean

    model = {"wte.weight": normal(V, C), "wpe.weight": normal(T, C)}
    for layer in range(L):
        shapes = {"attn.c_attn": (3 * C, C), "attn.c_proj": (C, C), "mlp.c_fc": (width, C), "mlp.c_proj": (C, width)}
        for norm in ("ln_1", "ln_2"):
            model[f"h.{layer}.{norm}.weight"] = normal(C, scale=0.1, mean=1.0)
            if bias:
                model[f"h.{layer}.{norm}.bias"] = normal(C, scale=0.1)
        for name, shape in shapes.items():
            model[f"h.{layer}.{name}.weight"] = normal(*shape, scale=0.3)
            if bias:
                model[f"h.{layer}.{name}.bias"] = normal(shape[0], scale=0.1)
    model["ln_f.weight"] = normal(C, scale=0.1, mean=1.0)
    if bias:
        model["ln_f.bias"] = normal(C, scale=0.1)
    model["lm_head.weight"] = model["wte.weight"] if tied else normal(V, C)
    return model


def logits_of(model):
    """The logits after the last token, in double precision."""
    w = {name: tensor.double() for name, tensor in model.items()}

    def norm(x, name):
        return torch.nn.functional.layer_norm(x, (C,), w[f"{name}.weight"], w.get(f"{name}.bias"), 1e-5)

    def linear(x, name):
        return torch.nn.functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    x = w["wte.weight"][TOKENS] + w["wpe.weight"][: len(TOKENS)]
    for layer in range(L):
        heads = linear(norm(x, f"h.{layer}.ln_1"), f"h.{layer}.attn.c_attn").view(len(TOKENS), 3, H, C // H)
        q, k, v = heads.permute(1, 2, 0, 3)
        scores = q @ k.transpose(1, 2) / math.sqrt(C // H)
        scores = scores.masked_fill(torch.ones(len(TOKENS), len(TOKENS)).triu(1).bool(), -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(TOKENS), C)
        x = x + linear(mixed, f"h.{layer}.attn.c_proj")
        up = torch.nn.functional.gelu(linear(norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc"), approximate="tanh")
        x = x + linear(up, f"h.{layer}.mlp.c_proj")
    return (norm(x, "ln_f")[-1] @ w["lm_head.weight"].T).tolist()


def named(model, prefix):
    """The names that a module of nanoGPT or minGPT gives them, behind a prefix such as that of torch.compile."""
    return {prefix + ("" if name.startswith("lm_head") else "transformer.") + name: t for name, t in model.items()}


def conv1d(model):
    """With the matrices of the layers as (in, out), as transformers keeps them."""
    matrices = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return {name: t.T.contiguous() if name.endswith(matrices) else t for name, t in model.items()}


def with_masks(model):
    mask = torch.ones(T, T).tril().view(1, 1, T, T)
    return {**model, **{f"transformer.h.{layer}.attn.bias": mask for layer in range(L)}}


def as_views(model):
    """All tensors are parts of one storage, every other element of it, and matrices are transposed there."""
    total = sum(t.numel() for t in model.values())
    pool, views, at = torch.zeros(2 * total + 1, dtype=torch.float64), {}, 1
    for name, tensor in model.items():
        strides = (2,) if tensor.dim() == 1 else (2, 2 * tensor.shape[0])
        views[name] = pool.as_strided(tensor.shape, strides, at)
        views[name].copy_(tensor)
        at += 2 * tensor.numel()
    return views


def trained(model):
    """A checkpoint as nanoGPT's train.py writes it, with the state of its optimizer."""
    parameters = [torch.nn.Parameter(t) for t in model.values()]
    optimizer = torch.optim.AdamW(parameters[:2], lr=0.0)
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    arguments = {**dataclasses.asdict(GPTConfig()), "bias": False, "dropout": 0.0}
    return {
        "model": named(model, "_orig_mod."),
        "optimizer": optimizer.state_dict(),
        "model_args": arguments,
        "iter_num": 7,
        "best_val_loss": torch.tensor(1.25),
        "config": {"out_dir": "out", "learning_rate": 6e-4, "always_save_checkpoint": True},
    }


def main():
    sys.modules["__main__"].GPTConfig.__module__ = "__main__"
    generator = torch.Generator().manual_seed(12)
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = {}

    def save(name, model, saved, **options):
        path = FOLDER / name
        path.parent.mkdir(exist_ok=True)
        torch.save(saved, path, **options)
        results[name] = logits_of(model)

    nanogpt = {name: t.bfloat16() for name, t in random_model(generator, 4 * C, bias=False).items()}
    nanogpt["lm_head.weight"] = nanogpt["wte.weight"]
    save("nanogpt.pt", nanogpt, trained(nanogpt))

    mingpt = random_model(generator, 4 * C, tied=False)
    save("mingpt.pt", mingpt, with_masks(named(mingpt, "")), _use_new_zipfile_serialization=False)

    dataclass = {name: t.half() for name, t in random_model(generator, 20).items()}
    dataclass["lm_head.weight"] = dataclass["wte.weight"]
    save("dataclass.pt", dataclass, {"model": named(dataclass, "module."), "config": GPTConfig(), "step": 3})

    views = random_model(generator, 20, tied=False)
    saved = {"state_dict": as_views(views), "config": {"n_head": H}}
    save("views.pt", views, saved, pickle_protocol=4)

    transformers = conv1d(random_model(generator, 20))
    plain = {name: t.T if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")) else t for name, t in transformers.items()}
    ordered = torch.nn.Module().state_dict()
    ordered.update(with_masks(named(transformers, "")))
    save("transformers/pytorch_model.bin", plain, ordered, _use_new_zipfile_serialization=False)
    config = {"model_type": "gpt2", "n_layer": L, "n_head": H, "n_embd": C, "n_inner": 20, "vocab_size": V, "n_positions": T}
    (FOLDER / "transformers/config.json").write_text(json.dumps(config, indent=1) + "\n")

    text = json.dumps({"tokens": TOKENS, "torch": torch.__version__, "logits": results}, indent=1)
    (FOLDER / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
