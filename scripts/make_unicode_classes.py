#!/usr/bin/env python3
"""Writes core/tokenizer/unicode.cpp: the class of every code point in GPT-2's pattern (letter, number, space, other).

Usage: make_unicode_classes.py OUTPUT      needs: tokenizers, tiktoken, clang-format

The classes are asked of the two libraries whose ids we promise to repeat, not of a Unicode file, so they cannot be of
another Unicode version; where the two disagree the script stops and names the code points.
"""
import subprocess
import sys

import tiktoken
from tokenizers import __version__ as tokenizers_version
from tokenizers import pre_tokenizers

PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
COMPANIONS = (("a", "letter"), ("1", "number"), ("!", "other"))  # a code point joins the one of its own class
CLASSES = ("other", "letter", "number", "space")


def code_points():
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def of_tokenizers(points):
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    joins = lambda text: len(split.pre_tokenize_str(text)) == 1
    return [next((name for first, name in COMPANIONS if joins(first + chr(c))), "space") for c in points]


def of_tiktoken(points):
    """tiktoken does not show its pieces, but a piece that is a token as a whole becomes one id."""
    found = []
    for start in range(0, len(points), 50000):
        part = points[start : start + 50000]
        ranks = {bytes([b]): b for b in range(256)}
        for c in part:
            for first, _ in COMPANIONS:
                ranks.setdefault((first + chr(c)).encode(), len(ranks))
        encoding = tiktoken.Encoding("pairs", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
        joins = lambda text: len(encoding.encode_ordinary(text)) == 1
        found += [next((name for first, name in COMPANIONS if joins(first + chr(c))), "space") for c in part]
    return found


def main():
    points = code_points()
    classes = of_tokenizers(points)
    differ = [c for c, ours, theirs in zip(points, classes, of_tiktoken(points)) if ours != theirs]
    if differ:
        sys.exit(f"tokenizers and tiktoken disagree on {len(differ)} code points, the first is U+{differ[0]:04X}")
    runs, last = [], None
    for c, name in zip(points, classes):
        if name != last:
            runs.append(f"0x{c * 4 + CLASSES.index(name):x}")
            last = name
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write(
            "// The classes in which tokenizers "
            f"{tokenizers_version} and tiktoken {tiktoken.__version__} agree on every code point.\n"
            "// Written by scripts/make_unicode_classes.py, not by hand.\n"
            '#include "tokenizer_unicode.hpp"\n\nnamespace gpt2run {\n\n'
            f"static constexpr uint32_t kRuns[] = {{{', '.join(runs)}}};\n\n"
            "std::span<const uint32_t> unicode_runs() { return kRuns; }\n\n"
            "}  // namespace gpt2run\n"
        )
    subprocess.run(["clang-format", "-i", sys.argv[1]], check=True)


if __name__ == "__main__":
    main()
