#!/usr/bin/env python3
"""How many sums a model that adds gets right in each number format: a task with a right answer beside the divergences.

    scripts/adder.py MODEL FORMATS [--sums N] [--json FILE]

MODEL is minGPT's adder, as PyTorch wrote it (model.pt): it has 10 tokens, the digits. It is given two numbers of two
digits, a1 a0 b1 b0, and the next three tokens, the most likely one each time, must be the digits of their sum, the last
one first. FORMATS is what `gpt2compare --formats --json` wrote; its tests are what is tried here, and the table that is
printed has their divergence beside the number of right sums. N sums of all 10000 are tried, evenly spread; 10000 unless
given. Exit codes: 0 done, 2 the command line cannot be meant, 1 everything else.
"""

import argparse
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

import plots_inputs

GPT2RUN = pathlib.Path(__file__).resolve().parent.parent / "build/release/bin/gpt2run"
ALL = 10000
HEADS = 3  # the file does not say it
PROMPT, ANSWER = 4, 3


def fail(message, code=1):
    print(f"adder.py: {message}", file=sys.stderr)
    sys.exit(code)


class Line(argparse.ArgumentParser):
    def error(self, message):
        fail(message, 2)


def pairs_of(count):
    return [divmod(i * ALL // count, 100) for i in range(count)]


def write_prompts(path, pairs):
    """A prompt set, as docs/formats.md describes it."""
    head = struct.pack("<4i", 20240520, 1, PROMPT * len(pairs), PROMPT).ljust(1024, b"\0")
    path.write_bytes(head + b"".join(struct.pack("<4H", *divmod(a, 10), *divmod(b, 10)) for a, b in pairs))


def right_sums(model, precision, prompts, pairs):
    command = [GPT2RUN, "--quiet", "--model", model, "--loader", f"torch:heads={HEADS}", "--precision", precision, "--prompts", prompts]
    command += ["-n", str(ANSWER), "--sampler", "argmax", "--sink", "tokens", "--batch", "64"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        fail(f"{precision}: gpt2run failed: the reason stands above")
    answers = [[int(token) for token in line.split()] for line in done.stdout.splitlines()]
    if len(answers) != len(pairs):
        fail(f"{precision}: expected {len(pairs)} answers of gpt2run, found {len(answers)}")
    return sum(answer == [(a + b) % 10, (a + b) // 10 % 10, (a + b) // 100] for answer, (a, b) in zip(answers, pairs))


def number(value, form):
    return "-" if value is None or math.isnan(value) else format(value, form)


def table_of(formats, found, count):
    rows = [["FORMAT", f"KL({formats['reference']} || FORMAT)", "SAME TOP-1", "NLL DIFFERENCE", "MB A STEP", f"RIGHT SUMS OF {count}"]]
    bytes_of = {test["name"]: test for test in formats["tests"]}
    for name, sums in found.items():
        test = bytes_of.get(name)
        cells = [number(test["kl"], ".3g"), number(test["top1"], ".4f"), number(test["nll"], "+.2g")] if test else ["0", "1", "0"]
        size = test["bytes"] if test else formats["bytes"]
        rows.append([name, *cells, number(size / 1e6, ".3f"), str(sums)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() + "\n" for row in rows)


def main():
    parser = Line(prog="adder.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("formats", type=pathlib.Path)
    parser.add_argument("--sums", type=int, default=ALL)
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    if not 1 <= arguments.sums <= ALL:
        fail(f"--sums: expected a number in [1, {ALL}], found {arguments.sums}", 2)
    try:
        formats = plots_inputs.formats_of(arguments.formats)
        names = [formats["reference"], *(test["name"] for test in formats["tests"])]
        pairs = pairs_of(arguments.sums)
        with tempfile.TemporaryDirectory() as work:
            prompts = pathlib.Path(work) / "sums.bin"
            write_prompts(prompts, pairs)
            found = {name: right_sums(arguments.model, name, prompts, pairs) for name in names}
        if arguments.json:
            arguments.json.write_text(json.dumps({"sums": arguments.sums, "right": found}, indent=1) + "\n", encoding="utf-8")
    except plots_inputs.Bad as error:
        fail(error)
    except OSError as error:
        fail(f"{error.filename}: {error.strerror or error}")
    print(table_of(formats, found, arguments.sums), end="")


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
