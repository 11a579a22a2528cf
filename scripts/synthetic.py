"""Repeats loaders/synthetic in numpy, bit for bit: the weights of `synthetic:L=4,C=64,...` as float32 arrays.

Definition (all integers are unsigned 64-bit and wrap):
  mix(x)     the finalizer of splitmix64
  key        mix(seed * G + layer * 17 + weight), weight = its number in gpt2run::Weight
  element i  of a tensor in row-major (out, in) order: the sum of the four 16-bit parts of mix(key + i * G),
             minus 131070 (bell-shaped, deviation sqrt(1431655765)), times a float scale, plus a float mean.
"""
import math

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
WEIGHTS = ["wte", "wpe", "ln1_w", "ln1_b", "qkv_w", "qkv_b", "proj_w", "proj_b", "ln2_w", "ln2_b",
           "up_w", "up_b", "down_w", "down_b", "lnf_w", "lnf_b", "head_w"]
PER_LAYER = WEIGHTS[2:14]
SIZES = {"124M": (12, 768, 12), "355M": (24, 1024, 16), "774M": (36, 1280, 20), "1558M": (48, 1600, 25)}


def parse(spec):
    """The settings of `synthetic:...` as a dict; spec is taken to be valid."""
    s = dict(L=12, C=768, H=12, F=0, V=50257, T=1024, outliers=0, seed=1, epsilon=1e-5, tied=1, std=0.02,
             activation="gelu_tanh", scale_by_layer=0)
    for item in spec.removeprefix("synthetic:").split(","):
        if item in SIZES:
            s["L"], s["C"], s["H"] = SIZES[item]
            continue
        key, value = item.split("=")
        s[key] = value if key == "activation" else float(value) if key in ("epsilon", "std") else int(value)
    s["F"] = s["F"] or 4 * s["C"]
    s.setdefault("end_of_text", s["V"] - 1)
    return s


def shape_of(weight, s):
    """(out, in), or (n,) of a vector."""
    C, F, V, T = s["C"], s["F"], s["V"], s["T"]
    return {"wte": (V, C), "wpe": (T, C), "qkv_w": (3 * C, C), "qkv_b": (3 * C,), "proj_w": (C, C), "up_w": (F, C),
            "up_b": (F,), "down_w": (C, F), "head_w": (V, C)}.get(weight, (C,))


def mix(x):
    x = np.atleast_1d(np.asarray(x, dtype=np.uint64))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def add_outliers(values, weight, layer, s):
    """Huge values in channel C / 3, as real GPT-2 has; loaders/synthetic says what they are for."""
    C, channel = s["C"], s["C"] // 3
    huge = np.float32(131008.0 / math.sqrt(C))
    if weight == "wpe":
        values[1:, channel] = np.float32(-50.0 * s["std"])
    elif layer == 0 and weight == "qkv_w":
        values[0, :] = 0
        values[C, :] = 0
        values[C, channel] = huge
    elif layer == 0 and weight == "qkv_b":
        values[0] = 1
        values[C] = 0
    elif layer == 0 and weight == "up_w":
        values[0, :] = 0
        values[0, channel] = huge
    elif layer == 0 and weight == "up_b":
        values[0] = 0


def tensor(weight, layer, s):
    """One weight as float32, shape (out, in) or (n,)."""
    number = (s["seed"] * GOLDEN + layer * len(WEIGHTS) + WEIGHTS.index(weight)) % 2**64
    shape = shape_of(weight, s)
    counter = np.arange(math.prod(shape), dtype=np.uint64) * np.uint64(GOLDEN) + mix(number)
    parts = mix(counter).view(np.uint16).reshape(-1, 4)
    bell = parts.sum(axis=1, dtype=np.int32) - np.int32(131070)
    deviation = s["std"] / math.sqrt(2.0 * s["L"]) if weight in ("proj_w", "down_w") else s["std"]
    values = bell.astype(np.float32) * np.float32(deviation / math.sqrt(1431655765.0))
    if weight in ("ln1_w", "ln2_w", "lnf_w"):
        values += np.float32(1)
    values = values.reshape(shape)
    if s["outliers"]:
        add_outliers(values, weight, layer, s)
    return values


def weights(s):
    """All weights as {(weight, layer): array}, without head_w when tied."""
    names = [(w, 0) for w in WEIGHTS if w not in PER_LAYER and (w != "head_w" or not s["tied"])]
    names += [(w, layer) for layer in range(s["L"]) for w in PER_LAYER]
    return {(w, layer): tensor(w, layer, s) for w, layer in names}


def checksum(values):
    """Sum of bits(i) * (2 i + 1) over float32 values in order: what the C++ tests compare, as hexadecimal text."""
    bits = np.ascontiguousarray(values, dtype=np.float32).reshape(-1).view(np.uint32).astype(np.uint64)
    odd = np.arange(bits.size, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    return f"{int((bits * odd).sum(dtype=np.uint64)):016x}"
