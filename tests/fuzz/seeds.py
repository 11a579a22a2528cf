"""Writes a few small inputs for each fuzz target: seeds.py FOLDER makes FOLDER/TARGET/NAME.

They are files of this tree, cut or whole, and small ones that are made here. A fuzzer begins with them."""

import json
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden"
BETWEEN = b"\n%%%%\n"  # between the parts of an input that stands for several files

VOCAB = {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4, "<|endoftext|>": 5}
END_OF_TEXT = {"id": 5, "content": "<|endoftext|>", "single_word": False, "lstrip": False, "rstrip": True, "normalized": False, "special": True}


def tokenizer_json(**changes):
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe = {"type": "BPE", "dropout": None, "unk_token": None, "byte_fallback": False, "ignore_merges": False, "vocab": VOCAB, "merges": [["a", "b"], "\u0120 a"]}
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [END_OF_TEXT], "normalizer": None}
    whole.update({"pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level, "model": bpe})
    return json.dumps({**whole, **changes}).encode()


def wordpiece_json():
    model = {"type": "WordPiece", "unk_token": "a", "continuing_subword_prefix": "##", "max_input_chars_per_word": 9, "vocab": {"a": 0, "the": 1, "##re": 2}}
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "lowercase": True}
    return tokenizer_json(added_tokens=[], normalizer=normalizer, pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True}, model=model, post_processor=None)


def llmc_checkpoint(version):
    """A checkpoint of one layer with weights of zero: version 3 is FP32, 5 is BF16."""
    t, v, l, h, c, padded = 4, 7, 1, 2, 4, 8
    elements = padded * c + t * c + l * (12 * c * c + 13 * c) + 2 * c
    return struct.pack("<256i", 20240326, version, t, v, l, h, c, padded, *[0] * 248) + bytes(elements * (4 if version == 3 else 2))


def llmc_tokenizer():
    tokens = [bytes([i]) for i in range(256)] + [b"ab", b" a", b"<|endoftext|>"]
    return struct.pack("<256i", 20240328, 2, len(tokens), len(tokens) - 1, *[0] * 252) + b"".join(bytes([len(one)]) + one for one in tokens)


def prompt_set():
    rows = [[1, 2, 3, 50256], [7, 50256, 50256, 50256]]
    return struct.pack("<256i", 20240520, 1, 8, 4, *[0] * 252) + b"".join(struct.pack("<4H", *row) for row in rows)


def gguf_text(text):
    return struct.pack("<Q", len(text)) + text


def gguf_tokenizer():
    """A file with a vocabulary and without tensors."""
    def texts(items):
        return struct.pack("<IIQ", 9, 8, len(items)) + b"".join(gguf_text(one) for one in items)

    values = {
        b"general.architecture": struct.pack("<I", 8) + gguf_text(b"gpt2"),
        b"tokenizer.ggml.model": struct.pack("<I", 8) + gguf_text(b"gpt2"),
        b"tokenizer.ggml.pre": struct.pack("<I", 8) + gguf_text(b"gpt-2"),
        b"tokenizer.ggml.tokens": texts([b"a", b"b", b"ab", "\u0120".encode(), b"<|endoftext|>"]),
        b"tokenizer.ggml.token_type": struct.pack("<IIQ5i", 9, 5, 5, 1, 1, 1, 1, 3),
        b"tokenizer.ggml.merges": texts([b"a b"]),
        b"tokenizer.ggml.eos_token_id": struct.pack("<II", 4, 4),
    }
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + b"".join(gguf_text(key) + value for key, value in values.items())


def npy(rows, cols):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {cols}), }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{rows * cols}f", *range(rows * cols))


def elf(symbols=(b"gpt2run_plugin",)):
    """A library with a loaded segment, a dynamic section and a table of symbols."""
    names = b"\0" + b"\0".join(symbols) + b"\0libc.so.6\0/opt/lib:/lib\0"
    table = b"".join(struct.pack("<IBBHQQ", names.index(one), 0x12, 0, 1, 0, 8) for one in symbols)
    dynamic = struct.pack("<6Q", 1, names.index(b"libc"), 29, names.index(b"/opt"), 0, 0)
    segments = [struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 64, 64, 4096), struct.pack("<IIQQQQQQ", 0x6474E551, 7, 0, 0, 0, 0, 0, 16)]
    body, sections = b"".join(segments), [bytes(64)]
    for kind, content, link in ((3, names, 0), (11, table, 1), (6, dynamic, 1)):
        sections.append(struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, 64 + len(body), len(content), link, 0, 1, 0))
        body += content
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 64 + len(body), 0, 64, 56, len(segments), 64, len(sections), 0)
    return head + body + b"".join(sections)


def manifest():
    plugin = {"kind": "sampler", "asked": "nucleus", "name": "nucleus", "space": "host", "version": "1", "file": "gpt2run-sampler-nucleus.so", "hash": "0123456789abcdef", "options": {"temp": "0.8", "top_k": "10"}}
    whole = {"gpt2run": {"version": "0.1.0", "abi": 4, "tag": "libstdc++ cxx11"}, "options": {"sampler": "nucleus", "max_new_tokens": "4"}, "plugins": [plugin]}
    whole.update({"prompts": [{"text": "The old king", "tokens": [1, 2]}], "model": {"path": "models/demo", "hash": "0123456789abcdef"}})
    return json.dumps(whole).encode()


def head_of(name, size=8192):
    return (ROOT / name).read_bytes()[:size]


def vocab_merges():
    head = b"\n".join(head_of("models/demo/merges.txt").split(b"\n")[:40]) + b"\n"
    return [json.dumps(VOCAB).encode() + BETWEEN + b"#version: 0.2\na b\n", json.dumps(VOCAB).encode() + BETWEEN + head]


def safetensors_models():
    return [(GOLDEN / f"models/{name}/model.safetensors").read_bytes() for name in ("tanh", "silu")]


def all_seeds():
    config = head_of("tests/golden/models/tanh/config.json")
    step = {"token": 1, "text": "a", "logits": [0.5, 1, 2.5]}
    torch = [(GOLDEN / f"torch/{name}").read_bytes() for name in ("nanogpt.pt", "mingpt.pt", "dataclass.pt", "transformers/pytorch_model.bin")]
    quantised = json.dumps({**json.loads(config), "quantization_config": {"quant_method": "gpt2run", "bits": 8}}).encode()
    bodies = [
        {"integer": 5, "real": 0.5, "flag": True, "text": "a", "texts": ["a", "b"], "ids": [1, 2]},
        {"texts": "a", "ids": [], "unknown": None},
        {"ids": [50257], "text": 3},
    ]
    head = BETWEEN.join([b"/v1/completions", b"chunked", b"100-continue", b"127.0.0.1:8080", b"https://page.example", b"Bearer key"])
    ini = b"prompt = a\n[sampler]\ntop_k = 3\n# comment\n[nucleus]\ntemp = 0.5\nmode = b\nout = \"a # b\\n\"\n"
    return {
        "json": [b'{"a": [1, -2, 3.5e10, true, null, "\\u00e4\\ud83d\\ude00"], "b": {"c": {}}}', b"[1, [2, [3]], 18446744073709551615]", b'"text"'],
        "safetensors": safetensors_models(),
        "hf_config": [config, config + BETWEEN + b'{"eos_token_id": [1, 2], "bos_token_id": 0}', quantised, head_of("models/demo/config.json")],
        "hf_index": [(GOLDEN / "models/bf16-sharded/model.safetensors.index.json").read_bytes()],
        "llmc": [llmc_checkpoint(3), llmc_checkpoint(5)],
        "llmc_tokenizer": [llmc_tokenizer()],
        "torch": torch,
        "pickle": [one[one.index(b"\x80\x02") :][:4000] for one in torch] + [b"\x80\x02}q\x00X\x01\x00\x00\x00aK\x01s.", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94K\x01."],
        "gguf": [(GOLDEN / "gguf/model.gguf").read_bytes(), gguf_tokenizer()],
        "tensorflow": [(GOLDEN / "tensorflow/model.ckpt.index").read_bytes()],
        "tokenizer_json": [tokenizer_json(), wordpiece_json(), tokenizer_json(normalizer={"type": "NFC"})],
        "vocab_merges": vocab_merges(),
        "vocab_txt": ["[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\u4f60\n\u597d\nthe\n##re\n.\ncafe\n".encode()],
        "token_files": [b'{"<extra>": 4}' + BETWEEN + b'{"eos_token": "<|endoftext|>", "additional_special_tokens": ["<extra>"]}' + BETWEEN + json.dumps({"added_tokens_decoder": {"3": END_OF_TEXT}, "add_prefix_space": False}).encode()],
        "meta_pkl": [b"\x80\x04}(\x8c\x04stoi}(\x8c\x01aK\x00\x8c\x01bK\x01u\x8c\x04itos}(K\x00\x8c\x01aK\x01\x8c\x01bu\x8c\nvocab_sizeK\x02u."],
        "bpe_text": [b"Once upon a time, don't  <|endoftext|>\n\n 12 \xc3\xa4\xe4\xbd\xa0\xff", b"  \t a\r\n"],
        "prompts": [b"\x00Once\n\nThe old king\r\n", b'\x01{"prompt": "a", "id": 1}\n{"tokens": [1, 2], "id": "x"}\n', b"\x02" + prompt_set()],
        "options": [b"--prompt\na b\n-n\n5\n--top-k=3\n-q", b"--sampler\nnucleus:temp=0.5:out=\"a,b\",argmax\n--nucleus.color", b"--temp\n-1\n--stop\n\\n"],
        "config_file": [ini, manifest()],
        "manifest": [manifest()],
        "saved_logits": [json.dumps([step, step]).encode(), json.dumps([{"token": 1}, {"token": 0}]).encode() + BETWEEN + npy(2, 3)],
        "elf": [elf(), elf((b"gpt2run_plugin", b"other"))],
        "http": [head + BETWEEN + json.dumps(body).encode() for body in bodies],
    }


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: seeds.py FOLDER")
    for target, seeds in all_seeds().items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(seeds):
            (folder / f"seed-{number}").write_bytes(seed)


main()
