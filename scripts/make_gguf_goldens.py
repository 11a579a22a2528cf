#!/usr/bin/env python3
"""Writes tests/golden/gguf: what the Python package of llama.cpp's GGUF format writes, and the values that it reads.

Usage: make_gguf_goldens.py      needs: gguf, numpy

blocks.json     for each quantised type a few random blocks, and a checksum of the values that they stand for
model.gguf      a tiny model with nearly all types and a tokenizer of its own
model.json      checksums of its weights, and what the tokenizer makes of a text
q8_0.json       checksums of a synthetic model whose matrices were quantised to Q8_0 and back

The scales of blocks are random finite FP16 numbers, subnormal and negative ones among them. The checksum is that of
scripts/synthetic.py, which sees every bit.
"""
import json
import pathlib

import gguf
import numpy as np

import synthetic

Type = gguf.GGMLQuantizationType
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "gguf"
RANDOM = np.random.default_rng(3)

# For each quantised type the places of FP16 numbers in a block.
SCALES = {Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2],
          Type.Q6_K: [208]}
BLOCKS = 4

# The tiny model.
L, C, H, F, T = 2, 32, 2, 64, 6
TYPES = {"token_embd": Type.Q4_0, "position_embd": Type.F32, "0.attn_qkv": Type.Q5_0, "1.attn_qkv": Type.Q5_1, "0.attn_output": Type.F16,
         "1.attn_output": Type.BF16, "0.ffn_up": Type.Q4_1, "1.ffn_up": Type.Q8_0, "0.ffn_down": Type.Q8_0, "1.ffn_down": Type.Q4_1}
Q8_MODEL = "synthetic:L=1,C=64,H=2,F=96,V=33,T=5"
TEXT = "the <mark>theb\n\u00e9<|endoftext|>he"


def random_blocks(qtype, count, scale=None):
    """`count` blocks of random bytes. scale: of the FP16 numbers in them; without it they are any finite ones."""
    blocks = RANDOM.integers(0, 256, (count, gguf.GGML_QUANT_SIZES[qtype][1]), dtype=np.uint8)
    for place in SCALES[qtype]:
        halves = RANDOM.integers(0, 0x7C00, count, dtype=np.uint16) | RANDOM.integers(0, 2, count, dtype=np.uint16) << 15
        if scale:
            halves = (RANDOM.standard_normal(count) * scale).astype(np.float16).view(np.uint16)
        blocks[:, place : place + 2] = halves.reshape(-1, 1).view(np.uint8)
    return blocks


def write_blocks():
    goldens = {}
    for qtype in SCALES:
        blocks = random_blocks(qtype, BLOCKS)
        values = gguf.dequantize(blocks, qtype)
        assert np.isfinite(values).all()
        goldens[qtype.name] = {"type": int(qtype), "blocks": blocks.tobytes().hex(), "checksum": synthetic.checksum(values)}
    (OUT / "blocks.json").write_text(json.dumps(goldens, indent=1) + "\n")


def byte_letters():
    """GPT-2's byte alphabet."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) if byte in plain else chr(256 + others.index(byte)) for byte in range(256)]


def add_tokenizer(writer):
    """Returns the tokens: bytes, two merged ones, two special ones, and one that only fills the vocabulary."""
    special = {"<mark>": gguf.TokenType.USER_DEFINED, "<|endoftext|>": gguf.TokenType.CONTROL, "[PAD260]": gguf.TokenType.UNUSED}
    tokens = [*byte_letters(), "he", "the", *special]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([special.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges(["h e", "t he"])
    writer.add_bos_token_id(259)
    writer.add_eos_token_id(259)
    return tokens


def tensors_of(vocabulary):
    """llama.cpp's name -> (the contract's name, shape with the rows first)."""
    tensors = {"token_embd.weight": ("wte.0", (vocabulary, C)), "position_embd.weight": ("wpe.0", (T, C))}
    for layer in range(L):
        for name, ours, shape in (("attn_norm", "ln1", (C,)), ("attn_qkv", "qkv", (3 * C, C)), ("attn_output", "proj", (C, C)),
                                  ("ffn_norm", "ln2", (C,)), ("ffn_up", "up", (F, C)), ("ffn_down", "down", (C, F))):
            tensors[f"blk.{layer}.{name}.weight"] = (f"{ours}_w.{layer}", shape)
            tensors[f"blk.{layer}.{name}.bias"] = (f"{ours}_b.{layer}", shape[:1])
    return tensors | {"output_norm.weight": ("lnf_w.0", (C,)), "output_norm.bias": ("lnf_b.0", (C,))}


def stored(name, shape):
    """(the bytes as an array, the type, the values) of a tensor with random values."""
    qtype = TYPES.get(name.removeprefix("blk.").removesuffix(".weight"), Type.F32)
    if qtype in SCALES:
        data = random_blocks(qtype, shape[0] * shape[1] // gguf.GGML_QUANT_SIZES[qtype][0], 0.02).reshape(shape[0], -1)
    else:
        data = gguf.quantize((RANDOM.standard_normal(shape) * 0.2).astype(np.float32), qtype)
    return data, qtype, gguf.dequantize(data, qtype)


def write_model():
    writer = gguf.GGUFWriter(OUT / "model.gguf", "gpt2")
    writer.add_block_count(L)
    writer.add_context_length(T)
    writer.add_embedding_length(C)
    writer.add_feed_forward_length(F)
    writer.add_head_count(H)
    writer.add_layer_norm_eps(3e-6)
    vocabulary = len(add_tokenizer(writer))
    checksums = {}
    for name, (ours, shape) in tensors_of(vocabulary).items():
        data, qtype, values = stored(name, shape)
        checksums[ours] = synthetic.checksum(values)
        writer.add_tensor(name, data, raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    ids = [257, 32, 258, 257, 98, 10, 0xC3, 0xA9, 259, 256]
    (OUT / "model.json").write_text(json.dumps({"checksums": checksums, "text": TEXT, "ids": ids}, indent=1) + "\n")


def write_q8_0():
    settings = synthetic.parse(Q8_MODEL)
    checksums = {}
    for name in ("wte", "qkv_w", "proj_w", "up_w", "down_w"):
        values = synthetic.tensor(name, 0, settings)
        checksums[f"{name}.0"] = synthetic.checksum(gguf.dequantize(gguf.quantize(values, Type.Q8_0), Type.Q8_0))
    (OUT / "q8_0.json").write_text(json.dumps({"model": Q8_MODEL, "checksums": checksums}, indent=1) + "\n")


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    write_blocks()
    write_q8_0()
    write_model()
