"""loaders.gguf_package BUILD_FOLDER: the Python package `gguf` opens what gpt2convert writes. It finds the demo model's
tokens, merges and settings in it, and for every type exactly the bytes that it makes of the same weights itself.

It needs gguf and numpy, and skips (exit status 77) where python3 does not have them.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import gguf
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: this test needs the packages gguf and numpy: {error}")
    sys.exit(77)

DEMO = pathlib.Path(__file__).resolve().parents[2] / "models" / "demo"
TYPES = {"keep": "F32", "fp32": "F32", "fp16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}

# llama.cpp's name of a module -> (transformers' name, whether its matrix is stored transposed).
GLOBAL = {"token_embd": ("wte", False), "position_embd": ("wpe", False), "output_norm": ("ln_f", False)}
LAYER = {
    "attn_norm": ("ln_1", False),
    "attn_qkv": ("attn.c_attn", True),
    "attn_output": ("attn.c_proj", True),
    "ffn_norm": ("ln_2", False),
    "ffn_up": ("mlp.c_fc", True),
    "ffn_down": ("mlp.c_proj", True),
}


def demo_weights():
    """llama.cpp's name -> the values as it lays them out."""
    data = (DEMO / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    stored = {name.removeprefix("transformer."): entry for name, entry in json.loads(data[8 : 8 + size]).items()}
    layers = json.loads((DEMO / "config.json").read_text())["n_layer"]
    modules = dict(GLOBAL)
    for layer in range(layers):
        modules |= {f"blk.{layer}.{ours}": (f"h.{layer}.{theirs}", turned) for ours, (theirs, turned) in LAYER.items()}
    weights = {}
    for ours, (theirs, turned) in modules.items():
        for end in ("weight", "bias"):
            entry = stored.get(f"{theirs}.{end}")
            if entry:
                assert entry["dtype"] == "F32"
                begin, finish = (8 + size + offset for offset in entry["data_offsets"])
                values = np.frombuffer(data[begin:finish], np.float32).reshape(entry["shape"])
                weights[f"{ours}.{end}"] = np.ascontiguousarray(values.T if turned and end == "weight" else values)
    return weights


def check_metadata(reader):
    config = json.loads((DEMO / "config.json").read_text())
    vocab = json.loads((DEMO / "vocab.json").read_text())
    merges = [line for line in (DEMO / "merges.txt").read_text().split("\n") if line and not line.startswith("#version")]
    end = vocab["<|endoftext|>"]
    expected = {
        "general.architecture": "gpt2",
        "gpt2.block_count": config["n_layer"],
        "gpt2.context_length": config["n_positions"],
        "gpt2.embedding_length": config["n_embd"],
        "gpt2.feed_forward_length": config.get("n_inner") or 4 * config["n_embd"],
        "gpt2.attention.head_count": config["n_head"],
        "gpt2.attention.layer_norm_epsilon": float(np.float32(config["layer_norm_epsilon"])),
        "gpt2.vocab_size": config["vocab_size"],
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": sorted(vocab, key=vocab.get),
        "tokenizer.ggml.token_type": [3 if id == end else 1 for id in range(len(vocab))],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": end,
        "tokenizer.ggml.eos_token_id": end,
    }
    for key, value in expected.items():
        found = reader.get_field(key).contents()
        assert found == value, (key, found, value)


def check_tensors(reader, weights, name):
    assert {tensor.name for tensor in reader.tensors} == set(weights)
    for tensor in reader.tensors:
        values = weights[tensor.name]
        is_wide = values.ndim == 1 or tensor.name == "position_embd.weight"
        qtype = gguf.GGMLQuantizationType.F32 if is_wide else gguf.GGMLQuantizationType[name]
        assert tensor.tensor_type == qtype, (tensor.name, tensor.tensor_type)
        assert [int(size) for size in tensor.shape] == list(reversed(values.shape)), (tensor.name, tensor.shape)
        assert tensor.data.tobytes() == gguf.quantize(values, qtype).tobytes(), f"{tensor.name} in {qtype.name}"


def main():
    program = pathlib.Path(sys.argv[1]) / "bin" / "gpt2convert"
    weights = demo_weights()
    with tempfile.TemporaryDirectory() as folder:
        for name, expected in TYPES.items():
            path = pathlib.Path(folder) / f"{name}.gguf"
            subprocess.run([program, "-q", "-m", DEMO, "--to", "gguf", "--type", name, "-o", path], check=True)
            reader = gguf.GGUFReader(path)
            check_metadata(reader)
            check_tensors(reader, weights, expected)


main()
