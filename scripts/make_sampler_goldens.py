#!/usr/bin/env python3
"""Makes tests/golden/samplers/processors.json: rows of logits and what transformers' logits processors make of them.
Needs torch and transformers; the versions are written down.

    python3 scripts/make_sampler_goldens.py

A dropped token is null. No row has equal logits: transformers keeps all that equal the last of its top k, gpt2run the
lowest ids among them (docs/numerics.md).
"""
import json
import pathlib
import platform

import torch
import transformers
from transformers import (
    MinPLogitsWarper,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TopKLogitsWarper,
    TypicalLogitsWarper,
)

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "samplers" / "processors.json"
VOCABULARY = 29
HISTORY = [3, 17, 3, 0, 28, 17, 17, 11]
RUNS = [9, 3, 17, 5, 17, 3, 17, 17, 8, 3, 17]  # runs of two and three tokens that begin as it ends, for no-repeat-ngram

PROCESSORS = {
    "repetition-penalty": ("penalty", lambda value: RepetitionPenaltyLogitsProcessor(value)),
    "top-k": ("top_k", lambda value: TopKLogitsWarper(value)),
    "min-p": ("min_p", lambda value: MinPLogitsWarper(value)),
    "no-repeat-ngram": ("ngram", lambda value: NoRepeatNGramLogitsProcessor(value)),
    "typical": ("typical_p", lambda value: TypicalLogitsWarper(value)),
}
CHAINS = [
    [("repetition-penalty", 1.2)],
    [("repetition-penalty", 3.0)],
    [("repetition-penalty", 0.75)],
    [("top-k", 1)],
    [("top-k", 7)],
    [("top-k", 29)],
    [("top-k", 100)],
    [("min-p", 0.0)],
    [("min-p", 0.05)],
    [("min-p", 0.6)],
    [("min-p", 1.0)],
    [("repetition-penalty", 1.5), ("top-k", 9)],
    [("repetition-penalty", 1.3), ("top-k", 12), ("min-p", 0.1)],
    [("no-repeat-ngram", 1)],
    [("no-repeat-ngram", 2)],
    [("no-repeat-ngram", 3)],
    [("no-repeat-ngram", 4)],
    [("typical", 0.1)],
    [("typical", 0.5)],
    [("typical", 0.9)],
    [("typical", 0.99)],
    [("no-repeat-ngram", 2), ("typical", 0.8), ("top-k", 5)],
]
ROWS = [(1.0, 0.0), (3.0, 0.0), (2.0, -200.0), (1000.0, 0.0)]  # spread, offset


def history_of(chain):
    return RUNS if any(name == "no-repeat-ngram" for name, _ in chain) else HISTORY


def processed(row, chain):
    history = torch.tensor([history_of(chain)])
    scores = torch.tensor([row], dtype=torch.float32)
    for name, value in chain:
        scores = PROCESSORS[name][1](value)(history, scores)
    return [None if value == float("-inf") else value for value in scores[0].tolist()]


def main():
    generator = torch.Generator().manual_seed(5)
    rows = [(torch.randn(VOCABULARY, generator=generator) * spread + offset).tolist() for spread, offset in ROWS]
    assert all(len(set(row)) == VOCABULARY for row in rows)
    cases = []
    for chain in CHAINS:
        named = [{"name": name, "option": PROCESSORS[name][0], "value": str(value)} for name, value in chain]
        own = {} if history_of(chain) == HISTORY else {"history": history_of(chain)}
        cases.append({"chain": named, **own, "logits": [processed(row, chain) for row in rows]})
    versions = {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(
        f'{{"versions": {json.dumps(versions)},\n"history": {HISTORY},\n"rows": {json.dumps(rows)},\n"cases": [\n{lines}\n]}}\n'
    )


main()
