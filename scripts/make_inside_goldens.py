#!/usr/bin/env python3
"""Makes tests/golden/inside: the hidden states and attention weights that transformers computes in double precision for
two of the models in tests/golden/models. Needs torch and transformers; the versions are written down.

    python3 scripts/make_inside_goldens.py
"""
import json
import pathlib
import platform

import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ROOT / "tests" / "golden" / "models"
OUT = ROOT / "tests" / "golden" / "inside"
VERSIONS = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}


def numbers(tensor):
    return [float(f"{x:.9g}") for x in tensor.flatten().tolist()]


@torch.no_grad()
def make(name, length):
    golden = json.loads((MODELS / f"{name}.json").read_text())
    tokens = (golden["tokens"] + golden["greedy"])[:length]
    model = transformers.GPT2LMHeadModel.from_pretrained(MODELS / name, dtype=torch.float64,
                                                         attn_implementation="eager").eval()
    out = model(torch.tensor([tokens]), output_hidden_states=True, output_attentions=True)
    lines = [f' "versions": {json.dumps(VERSIONS)}', f' "model": {json.dumps(name)}', f' "tokens": {json.dumps(tokens)}']
    for key, tensors in (("hidden_states", out.hidden_states), ("attentions", out.attentions)):
        rows = ",\n  ".join(json.dumps({"shape": list(t[0].shape), "values": numbers(t[0])}) for t in tensors)
        lines.append(f' "{key}": [\n  {rows}]')
    (OUT / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    make("plain", 4)
    make("gelu-erf-by-layer", 13)
