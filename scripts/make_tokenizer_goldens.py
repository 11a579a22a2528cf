#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/ids.json: token ids on which Hugging Face tokenizers and tiktoken agree.

Usage: make_tokenizer_goldens.py SHARED_DATA      needs: tokenizers, tiktoken

SHARED_DATA has gpt2/{vocab.json,merges.txt}, prompts/input.txt, ptb/ptb.test.txt and tales/heldback.txt; none of their
text is written, only hashes of its ids. Every text goes through both libraries, as ordinary text and with special
tokens, and the script stops where they differ. No code point had to be left out: tokenizers 0.23.3 and tiktoken 0.14.0
both know Unicode 16 (scripts/make_unicode_classes.py compares them code point by code point).
"""
import json
import pathlib
import sys

import tiktoken
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

ROOT = pathlib.Path(__file__).resolve().parent.parent
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
END_OF_TEXT = "<|endoftext|>"
ADDED = ["<|user|>", "<|user|>:", "<|töne|>"]  # one begins another, one is outside GPT-2's byte alphabet

TEXTS = [
    "",
    " ",
    "\n",
    "Once upon a time, there was a fox.",
    "It's they'll we've I'm you're he'd can't; IT'S THEY'LL 'tis 'S '' 'sd 'llama ' s",
    "  two  three   four    \t\ttabs\n\n\nlines\r\n\r\n end   ",
    "x\n y\n  z \n\t w\u00a0\u00a0v\u3000\u3000u\u2003t\u2028s\u0085r\u180eq",
    "1234567890 3.14159 1,000,000 x86_64 ٣٤٥ ½ ² Ⅷ ㊿ 𝟘𝟙 １２",
    "Grüße, naïve café — „Anführung“ … €100 ©®™ ﬁne ﬀ ǅ ª º ʰ",
    "e\u0301a\u0300 \u0301x न\u094dद\u0947 ท\u0e35\u0e48 \u200dzero\u200bwidth\ufeff\u00ad",
    "日本語のテキスト。中文字符，한국어 العربية עברית ไทย हिन्दी Ελληνικά Русский ქართული",
    "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 👍🏽 😀😀😀 ☃️ ♠♣♥♦ ⠓⠊",
    "\x00\x01\x1f\x7f\x80\x9f\u0600\ue000\ufffd\ufffe\uffff\U0001fffe\U0010ffff",
    "ꟊ\ua7cb\u1c89\U000105c0\U00010d40\U000323af\U0001e5d0\U00011bf0 letters and digits of Unicode 15 and 16",
    "int main() {\n  return x->y != 0 && a[i++] <= ~b ? 1 : 2;\n}\n#define A_B(c) \\\n  \"%s\\n\", c // ...",
    "<|endoftext|>",
    "a <|endoftext|> b<|endoftext|><|endoftext|>  <|endoftext|>\n",
    "<|endoftext| >|endoftext|> <<|endoftext|>> <|ENDOFTEXT|> 'll<|endoftext|>'ll",
    "<|user|>:<|user|> :<|us<|töne|> x <|user|>::",
    "supercalifragilisticexpialidocious" * 3 + "!?" * 20 + " " * 33 + "=" * 70,
]

# Characters that meet each other's rules: blanks, contractions, letters and digits of several scripts.
POOL = " \t\n\r'sdmtlvreTA1!\u00a0\u3000\u2003é中ж٣½\u0301\u180e\u0085"


def random_text(seed, characters):
    """tests/tokenizer/golden_test.cpp has the same generator."""
    text, state = [], seed
    for _ in range(characters):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        kind, value = state >> 33 & 3, state >> 35
        if kind == 0:
            c = value % 128
        elif kind == 1:
            c = ord(POOL[value % len(POOL)])
        else:
            c = value % (0x3000 if kind == 2 else 0x110000)
        text.append("?" if 0xD800 <= c < 0xE000 else chr(c))
    return "".join(text)


COMPANIONS = "a1!\n"  # one of each class


def every_code_point():
    points = (chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    return "".join("".join(f"{before}{c}" for before in COMPANIONS) + "\n" for c in points)


def fnv1a(ids):
    value = 0xCBF29CE484222325
    for token in ids:
        value = ((value ^ token) * 0x100000001B3) % 2**64
    return f"{value:016x}"


def byte_alphabet():
    letters, taken = [], 256
    for byte in range(256):
        printable = 32 < byte < 127 or 160 < byte != 173
        letters.append(chr(byte if printable else taken))
        taken += not printable
    return letters


def files_of(folder):
    vocab = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
    lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
    return vocab, [tuple(line.split(" ")) for line in lines[1:]]


def probe():
    """Each companion merges with each byte that begins a character: the ids of every_code_point() tell its class."""
    letters = byte_alphabet()
    merges = [(letters[ord(c)], letters[lead]) for c in COMPANIONS for lead in range(0xC2, 0xF5)]
    tokens = letters + [left + right for left, right in merges] + [END_OF_TEXT]
    return {token: i for i, token in enumerate(tokens)}, merges


class Peers:
    def __init__(self, vocab, merges, added=()):
        special = {END_OF_TEXT: vocab[END_OF_TEXT]} | {text: len(vocab) + i for i, text in enumerate(added)}
        self.hf = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
        self.hf.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.hf.decoder = decoders.ByteLevel()
        self.hf.add_special_tokens(list(special))
        alphabet = {letter: byte for byte, letter in enumerate(byte_alphabet())}
        ranks = {bytes(alphabet[c] for c in token): i for token, i in vocab.items() if token not in special}
        self.tiktoken = tiktoken.Encoding("ours", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)

    def ids(self, text, special):
        self.hf.encode_special_tokens = not special
        ours = self.hf.encode(text, add_special_tokens=False).ids
        if special:
            theirs = self.tiktoken.encode(text, allowed_special="all")
        else:
            theirs = self.tiktoken.encode_ordinary(text)
        if ours != theirs:
            sys.exit(f"tokenizers and tiktoken differ (special={special}) on {text[:80]!r}")
        return ours


def hashed(ids):
    return {"count": len(ids), "fnv1a": fnv1a(ids)}


def cases(peers, vocabulary, shared, files):
    for text in TEXTS:
        for special in (True, False):
            yield {"vocabulary": vocabulary, "text": text, "special": special, "ids": peers.ids(text, special)}
    for name in files:
        text = (shared / name).read_bytes().decode("utf-8")
        yield {"vocabulary": vocabulary, "file": name, **hashed(peers.ids(text, True))}
    for seed in (1, 2, 3):
        text = random_text(seed, 100000)
        yield {"vocabulary": vocabulary, "random": seed, "characters": 100000, **hashed(peers.ids(text, False))}
    for word in ("a", "loremipsum", "\u00e4"):
        times = 1000000 // len(word)
        yield {"vocabulary": vocabulary, "word": word, "times": times, **hashed(peers.ids(word * times, False))}


def main():
    shared = pathlib.Path(sys.argv[1])
    files = ["prompts/input.txt", "ptb/ptb.test.txt", "tales/heldback.txt"]
    demo, gpt2 = files_of(ROOT / "models/demo"), files_of(shared / "gpt2")
    found = list(cases(Peers(*demo), "demo", shared, files)) + list(cases(Peers(*gpt2), "gpt2", shared, files))
    ids = Peers(*probe()).ids(every_code_point(), False)
    found.append({"vocabulary": "probe", "companions": COMPANIONS, **hashed(ids)})
    added = Peers(*demo, ADDED)
    for text in TEXTS:
        for special in (True, False):
            found.append({"vocabulary": "added", "text": text, "special": special, "ids": added.ids(text, special)})
    versions = {"tokenizers": tokenizers.__version__, "tiktoken": tiktoken.__version__}
    lines = ",\n".join(json.dumps(case) for case in found)
    with open(ROOT / "tests/golden/tokenizer/ids.json", "w", encoding="ascii") as out:
        out.write(f'{{"made_with": {json.dumps(versions)},\n"added": {json.dumps(ADDED)},\n"cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
