#!/usr/bin/env python3
"""Writes tests/golden/tensorflow: the weights of a synthetic model as a TensorFlow checkpoint, as OpenAI's release has them.

    python3 scripts/make_tensorflow_goldens.py      needs: numpy

The format is written here by hand: a table of LevelDB in small blocks whose keys share their beginnings, with the sum of
each block. Where the package tensorflow is installed it reads the checkpoint again, and every tensor must be the same.
"""

import json
import pathlib
import struct

import numpy as np

import synthetic

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "tensorflow"
MODEL = "L=2,C=8,H=2,V=40,T=9"
MAGIC = 0xDB4775248B80FB57
BLOCK = 400  # bytes: several blocks
RESTART = 4  # keys from one that stands whole to the next
FLOAT, INT64 = 1, 9

# Weight of the synthetic model -> name in the release, and whether the matrix is stored as (1, in, out).
NAMES = {
    "wte": ("wte", False),
    "wpe": ("wpe", False),
    "ln1_w": ("ln_1/g", False),
    "ln1_b": ("ln_1/b", False),
    "qkv_w": ("attn/c_attn/w", True),
    "qkv_b": ("attn/c_attn/b", False),
    "proj_w": ("attn/c_proj/w", True),
    "proj_b": ("attn/c_proj/b", False),
    "ln2_w": ("ln_2/g", False),
    "ln2_b": ("ln_2/b", False),
    "up_w": ("mlp/c_fc/w", True),
    "up_b": ("mlp/c_fc/b", False),
    "down_w": ("mlp/c_proj/w", True),
    "down_b": ("mlp/c_proj/b", False),
    "lnf_w": ("ln_f/g", False),
    "lnf_b": ("ln_f/b", False),
}


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: a number, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def masked_sum(data):
    """CRC-32C, rotated and shifted as LevelDB does."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class Table:
    def __init__(self):
        self.bytes = b""

    def add_block(self, entries):
        """Writes entries in the order of their keys. Returns the handle of the block."""
        block, restarts, last = b"", [], b""
        for i, (key, value) in enumerate(entries):
            shared = 0
            if i % RESTART == 0:
                restarts.append(len(block))
            else:
                while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                    shared += 1
            block += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
            last = key
        restarts = restarts or [0]
        block += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
        handle = varint(len(self.bytes)) + varint(len(block))
        plain = block + b"\0"
        self.bytes += plain + struct.pack("<I", masked_sum(plain))
        return handle

    def done(self, entries):
        index, part = [], []
        for entry in sorted(entries.items()):
            part.append(entry)
            if sum(len(key) + len(value) for key, value in part) >= BLOCK:
                index.append((part[-1][0], self.add_block(part)))
                part = []
        if part:
            index.append((part[-1][0], self.add_block(part)))
        footer = self.add_block([]) + self.add_block(index)
        return self.bytes + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def stored_tensors(settings):
    tensors = {"global_step": np.array(7, np.int64), "model/wte/Adam": np.zeros((2, 3), np.float32)}
    for (weight, layer), values in synthetic.weights(settings).items():
        name, turned = NAMES[weight]
        layers = f"h{layer}/" if weight in synthetic.PER_LAYER else ""
        tensors[f"model/{layers}{name}"] = np.ascontiguousarray(values.T)[None] if turned else values
    return tensors


def write(prefix, tensors):
    data, entries = b"", {b"": field(1, 1) + field(3, field(1, 1))}
    for name, values in sorted(tensors.items()):
        shape = b"".join(field(2, field(1, size)) for size in values.shape)
        stored = values.tobytes()
        kind = FLOAT if values.dtype == np.float32 else INT64
        entry = field(1, kind) + field(2, shape) + (field(4, len(data)) if data else b"") + field(5, len(stored))
        entries[name.encode()] = entry + varint(6 << 3 | 5) + struct.pack("<I", masked_sum(stored))
        data += stored
    prefix.with_name(prefix.name + ".index").write_bytes(Table().done(entries))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)


def check(prefix, tensors):
    try:
        import tensorflow
    except ImportError:
        print("tensorflow is not installed: the checkpoint was not read again")
        return
    reader = tensorflow.train.load_checkpoint(str(prefix))
    assert set(reader.get_variable_to_shape_map()) == set(tensors)
    for name, values in tensors.items():
        assert np.array_equal(reader.get_tensor(name), values), name
    print(f"tensorflow {tensorflow.__version__} reads the same {len(tensors)} tensors")


def main():
    settings = synthetic.parse(MODEL)
    tensors = stored_tensors(settings)
    OUT.mkdir(parents=True, exist_ok=True)
    prefix = OUT / "model.ckpt"
    write(prefix, tensors)
    (OUT / "checkpoint").write_text('model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "model.ckpt"\n')
    sizes = {"n_vocab": "V", "n_ctx": "T", "n_embd": "C", "n_head": "H", "n_layer": "L"}
    (OUT / "hparams.json").write_text(json.dumps({key: settings[size] for key, size in sizes.items()}, indent=1) + "\n")
    check(prefix, tensors)


main()
