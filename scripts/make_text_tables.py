#!/usr/bin/env python3
"""Writes two files into core/tokenizer: what Hugging Face tokenizers knows of code points, for WordPiece and added tokens.

Usage: make_text_tables.py FOLDER      needs: tokenizers, clang-format

As in make_unicode_classes.py, the library whose ids are repeated is asked itself, so that the tables have its versions of
Unicode: it uses several, old ones for marks and punctuation and a new one for lower case.
"""
import pathlib
import subprocess
import sys

import tokenizers
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

# The bits of core/tokenizer/text_tables.hpp.
WORD, REMOVED, BLANK, WHITE, PUNCTUATION, MARK = (1 << i for i in range(6))


def normalizer(clean=False, strip=False, lower=False):
    return normalizers.BertNormalizer(
        clean_text=clean, handle_chinese_chars=False, strip_accents=strip, lowercase=lower
    ).normalize_str


def word_finder():
    """Whether a code point is of a word is seen from an added token beside it, which must be a word by itself."""
    finder = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    finder.add_tokens([AddedToken("=", single_word=True, normalized=False)])
    return lambda c: len(finder.encode(chr(c) + "=").ids) == 1


def traits(points, stripped):
    clean, split, is_word = normalizer(clean=True), pre_tokenizers.BertPreTokenizer().pre_tokenize_str, word_finder()
    for c in points:
        cleaned, pieces = clean(chr(c)), [piece for piece, _ in split("a" + chr(c) + "a")]
        yield c, (
            WORD * (c != ord("=") and is_word(c))
            | REMOVED * (cleaned == "")
            | BLANK * (cleaned == " ")
            | WHITE * (pieces == ["a", "a"])
            | PUNCTUATION * (pieces == ["a", chr(c), "a"])
            | MARK * (stripped[c] == "")
        )


def hangul(c):
    at = c - 0xAC00
    if not 0 <= at < 11172:
        return chr(c)
    return chr(0x1100 + at // 588) + chr(0x1161 + at % 588 // 28) + (chr(0x11A7 + at % 28) if at % 28 else "")


def decompositions(stripped):
    """A code point and one or two for it, of which the first may have an entry of its own."""
    for c, text in stripped.items():
        if text in ("", hangul(c)):
            continue
        if len(text) > 2:
            text = next(chr(other) for other, its in stripped.items() if its == text[:2]) + text[2]
        yield c << 42 | ord(text[0]) << 21 | (ord(text[1]) if len(text) > 1 else 0)


def lower_runs(points):
    """Runs of code points with the same distance to their lower case: first, step, last, distance."""
    runs, lower = [], normalizer(lower=True)
    for c in points:
        text = lower(chr(c))
        if text == chr(c) or c == 0x130:  # I with a dot is the only one that becomes two
            assert c != 0x130 or text == "i\u0307"
            continue
        (small,) = text
        last = runs[-1] if runs else None
        if last and last[3] == ord(small) - c and c - last[2] in (1, 2) and last[1] in (0, c - last[2]):
            last[1], last[2] = c - last[2], c
        else:
            runs.append([c, 0, c, ord(small) - c])
    return [f"{{0x{first:x}, {max(step, 1)}, 0x{last:x}, {distance}}}" for first, step, last, distance in runs]


def write(name, **tables):
    """Each table is the name of a function, and the type and the values of what it returns."""
    path = pathlib.Path(sys.argv[1]) / name
    with open(path, "w", encoding="ascii") as out:
        out.write(
            f"// What tokenizers {tokenizers.__version__} knows of each code point.\n"
            "// Written by scripts/make_text_tables.py, not by hand.\n"
            '#include "text_tables.hpp"\n\nnamespace gpt2run {\n\n'
        )
        for function, (kind, values) in tables.items():
            array = "k" + function.title().replace("_", "")
            out.write(f"static constexpr {kind} {array}[] = {{{', '.join(values)}}};\n\n")
            out.write(f"std::span<const {kind}> {function}() {{ return {array}; }}\n\n")
        out.write("}  // namespace gpt2run\n")
    subprocess.run(["clang-format", "-i", path], check=True)


def main():
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    strip = normalizer(strip=True)
    stripped = {c: strip(chr(c)) for c in points}
    runs, last = [], None
    for c, bits in traits(points, stripped):
        if bits != last:
            runs.append(f"0x{c << 6 | bits:x}")
            last = bits
    write("text_traits.cpp", trait_runs=("uint32_t", runs))
    parts = [f"0x{entry:x}" for entry in decompositions(stripped)]
    write("text_changes.cpp", decompositions=("uint64_t", parts), lower_runs=("LowerRun", lower_runs(points)))


if __name__ == "__main__":
    main()
