#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/files.json: small tokenizers in every kind of file, and what the libraries make of texts.

Usage: make_tokenizer_file_goldens.py      needs: tokenizers, transformers, and what make_tokenizer_goldens.py needs

tokenizer.json goes through Hugging Face tokenizers itself, any other folder through transformers' GPT2Tokenizer or
BertTokenizer, with tokens before a text but without those that would end it.
"""
import json
import os
import pathlib
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

from make_tokenizer_goldens import END_OF_TEXT, ROOT, TEXTS, byte_alphabet, fnv1a, random_text

SETTINGS = ("lstrip", "rstrip", "single_word", "normalized")
MERGES = [("a", "b"), ("Ġ", "a"), ("Ġa", "b"), ("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "Ġ")]
PARTS = "a|b|ab|the| |  |\t|\n|é|_|1|½|\u0301|\u4f60|.|'s|\u3000|\u00a0|\u200d|x".split("|")
CHINESE = [
    "今天天气很好，我们去公园散步。",
    "GPT-2 是 2019 年 發佈 的模型;It's a Model, isn't it?",
    "[CLS]從前有一座山[MASK]山裡有一個廟。[SEP] [cls]",
    "naïve Café İSTANBUL straße ﬁ ÅNGSTRÖM 한국어 ｶﾞ \u0061\u0301\u0323",
    "\u0000\u0001tab\tnew\nline\u200bzero\ufeff\u00ad\u3000全角　空白 \ufffd",
    "1,000.50 + 3/4 = ½! ¿qué? «oui» 〈是〉 #標籤 @user a_b ~`$^|",
    "supercalifragilistic" * 6 + " 你好you好 unaffable",
]


def mixed_texts(seed, count, tokens):
    """Texts in which tokens stand beside white space, letters and each other."""
    state, parts = seed, PARTS + tokens * 2
    for _ in range(count):
        text = ""
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            text += parts[(state >> 33) % len(parts)] * (state >> 60 < 10)
        yield text


def texts_and_ids(encode, decode, texts, seeds=(), plain=None):
    for text in texts:
        ids = encode(text)
        yield {"text": text, "special": True, "ids": ids, "decoded": decode(ids)}
        if plain:
            yield {"text": text, "special": False, "ids": plain(text)}
    for seed in seeds:
        ids = encode(random_text(seed, 20000))
        yield {"random": seed, "characters": 20000, "special": True, "count": len(ids), "fnv1a": fnv1a(ids)}


def of_file(name, tokenizer, texts, seeds=()):
    def plain(text):
        tokenizer.encode_special_tokens = True
        ids = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = False
        return ids

    decode = lambda ids: tokenizer.decode(ids, skip_special_tokens=False)
    cases = list(texts_and_ids(lambda text: tokenizer.encode(text).ids, decode, texts, seeds, plain))
    return {"name": name, "files": {"tokenizer.json": tokenizer.to_str()}, "cases": cases}


def of_folder(name, kind, files, texts, seeds=(), **options):
    with tempfile.TemporaryDirectory() as folder:
        for file, text in files.items():
            (pathlib.Path(folder) / file).write_text(text, encoding="utf-8")
        tokenizer = kind.from_pretrained(folder)
    decode = lambda ids: tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    cases = list(texts_and_ids(lambda text: tokenizer.encode(text, **options), decode, texts, seeds))
    return {"name": name, "files": files, "cases": cases}


def vocabulary(letters):
    tokens = letters + [a + b for a, b in MERGES] + [END_OF_TEXT]
    return {token: i for i, token in enumerate(tokens)}


def byte_level(letters=None, add_prefix_space=False, use_regex=True, **options):
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary(letters or byte_alphabet()), merges=MERGES, **options))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_TEXT])
    return tokenizer


def added():
    """A token for each way to be looked for, among them one that begins another and one of white space."""
    tokenizer, tokens = byte_level(), []
    for bits in range(16):
        settings = {name: bool(bits >> i & 1) for i, name in enumerate(SETTINGS)}
        text = {3: " ", 6: "ab", 12: "你"}.get(bits, f"<t{bits:x}" + ">" * (bits % 3 > 0))
        tokens.append(AddedToken(text, special=True, **settings))
    tokenizer.add_tokens(tokens)
    return of_file("added", tokenizer, mixed_texts(1, 40, [token.content for token in tokens]), (1,))


def files_of_tokenizer_json():
    ascii_letters = [letter for byte, letter in enumerate(byte_alphabet()) if byte < 128]
    ascii_texts = [text for text in mixed_texts(2, 40, [END_OF_TEXT]) if text.isascii()]
    texts = [TEXTS[i] for i in (0, 1, 4, 5, 6, 8, 15, 16)]
    yield added()
    yield of_file("not all bytes", byte_level(ascii_letters), ascii_texts)
    yield of_file("unknown", byte_level(ascii_letters, unk_token="a"), texts, (1,))
    yield of_file("fused unknown", byte_level(ascii_letters, unk_token="a", fuse_unk=True), texts, (1,))
    yield of_file("blank before", byte_level(add_prefix_space=True), texts)
    yield of_file("no pattern", byte_level(use_regex=False), texts, (1,))
    yield of_file("ignored merges", byte_level(ignore_merges=True), texts, (1,))
    begins = byte_level()
    begins.post_processor = processors.TemplateProcessing(
        single=f"{END_OF_TEXT} the $A", special_tokens=[(END_OF_TEXT, 263), ("the", 260)]
    )
    yield of_file("template", begins, texts[:4])


def folders_of_gpt2():
    files = {
        "vocab.json": json.dumps(vocabulary(byte_alphabet())),
        "merges.txt": "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES),
    }
    tokens = {"263": dict(content=END_OF_TEXT, special=True), "264": dict(content="<mask>", lstrip=True, special=True)}
    for token in tokens.values():
        token.update({name: token.get(name, False) for name in SETTINGS})
    configs = {
        "bos": {"add_bos_token": True},
        "prefix space": {"add_prefix_space": True, "bos_token": "the", "add_bos_token": True},
        "decoder": {"added_tokens_decoder": tokens, "mask_token": "<mask>"},
    }
    for name, config in configs.items():
        config = {"tokenizer_class": "GPT2Tokenizer", **config}
        texts = list(mixed_texts(3, 12, ["<mask>", END_OF_TEXT]))
        yield of_folder(name, transformers.GPT2Tokenizer, files | {"tokenizer_config.json": json.dumps(config)}, texts)


def folders_of_bert():
    known = sorted({c for text in CHINESE[:4] for c in text.lower() if not c.isspace()} - {"廟", "[", "\u0301"})
    words = ["is", "model", "un", "##aff", "##able", "cafe", "naive", "café", "you", "isn", "今天", "straße"]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *known, *words, *(f"##{c}" for c in known if c.isalpha())]
    config = {"tokenizer_class": "BertTokenizer"}
    for name, own in {
        "chinese": {},
        "chinese, cased": {"do_lower_case": False},
        "chinese, accents": {"strip_accents": False, "tokenize_chinese_chars": False},
    }.items():
        files = {"vocab.txt": "\n".join(tokens) + "\n", "tokenizer_config.json": json.dumps(config | own)}
        yield of_folder(name, transformers.BertTokenizer, files, CHINESE + TEXTS[8:12], (1, 2), add_special_tokens=False)


def main():
    found = [*files_of_tokenizer_json(), *folders_of_gpt2(), *folders_of_bert()]
    versions = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__}
    lines = ",\n".join(
        f'{{"name": {json.dumps(one["name"])}, "files": {json.dumps(one["files"])}, "cases": [\n'
        + ",\n".join(json.dumps(case) for case in one["cases"])
        + "]}"
        for one in found
    )
    with open(ROOT / "tests/golden/tokenizer/files.json", "w", encoding="ascii") as out:
        out.write(f'{{"made_with": {json.dumps(versions)},\n"tokenizers": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
