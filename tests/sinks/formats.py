"""sinks.formats BUILD_FOLDER: the readers that docs/formats.md shows read what the programs write, and all sinks of one run
tell the same tale.
"""

import math
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(sys.argv[1]).resolve()
FORMATS = (pathlib.Path(__file__).resolve().parents[2] / "docs/formats.md").read_text(encoding="utf-8")
SINKS = (
    "text:out=tale.txt,tokens:out=ids.txt,jsonl:out=tales.jsonl:top=3:echo=on,logits:dir=.:name=json,"
    "logits:dir=.:name=npy:format=npy,timings"
)
KEYS = ["model_initialization", "copy_to_device", "forward_pass", "copy_to_host", "sampling", "copy_next_token"]
SEQUENCES, SAMPLES, NEW = 10, 2, 6


def readers():
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", FORMATS, re.MULTILINE | re.DOTALL):
        exec(block, names)
    return names


def run(folder, *options, program="gpt2run"):
    command = [BUILD / "bin" / program, "-q", *options]
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def float32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def near(a, b):
    """Log-probabilities made in float and in double: a sum over the vocabulary of 4096 is off by 4096 units at most."""
    return abs(a - b) <= 4096 * 2**-24 * (1 + abs(b))


def check_alternatives(step, top, logits):
    assert len(top) == 3
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    assert [one["id"] for one in top] == order[:3]
    log_sum = max(logits) + math.log(sum(math.exp(logit - max(logits)) for logit in logits))
    for one in top:
        assert near(one["logprob"], logits[one["id"]] - log_sum), (one, logits[one["id"]] - log_sum)
        assert near(one["probability"], math.exp(one["logprob"]))
        assert isinstance(one["text"], str)
        assert one["id"] != step["token"] or one["logprob"] == step["logprob"]


def check_sequence(sequence, tale, names, folder):
    steps = names["read_logits"](folder / f"generation_json_{sequence}.json")
    array = names["read_npy"](folder / f"generation_npy_{sequence}.npy")
    assert tale["sequence"] == sequence and tale["finish_reason"] == "length"
    assert len(tale["tokens"]) == len(tale["logprobs"]) == len(tale["top"]) == len(steps) == len(array) == NEW
    assert [step["token"] for step in steps] == tale["tokens"]
    assert [step["logprob"] for step in steps] == tale["logprobs"]
    assert "".join(step["text"] for step in steps) == tale["text"]
    for step, row, top in zip(steps, array, tale["top"]):
        assert [float32(logit) for logit in step["logits"]] == row
        check_alternatives(step, top, row)
    assert len(tale["prompt_tokens"]) == len(tale["prompt_logprobs"]) == len(tale["prompt_top"])
    assert tale["prompt_logprobs"][0] is None and tale["prompt_top"][0] is None
    assert all(logprob <= 0 for logprob in tale["prompt_logprobs"][1:])
    known = tale["prompt_top"][1:]
    assert all(top is None or len(top) == 3 for top in known)
    assert sequence % SAMPLES > 0 or None not in known, "the first sample computes all of its prompt's logits"


def check_compare(names, folder):
    command = [BUILD / "bin/gpt2compare", "-q", "--test", "bf16,cpu-fp32", "--ref", "cpu-fp32", "--json", "compare.json"]
    command += ["--tokens", " ".join(str(7 * i % 301) for i in range(90)), "-n", "0"]
    command += ["--model", "synthetic:L=1,C=48,H=3,F=100,V=301,T=64"]
    subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    found = names["read_compare"](folder / "compare.json")
    assert list(found) == ["cpu-bf16", "cpu-fp32"]
    mean, error, floor, below = found["cpu-bf16"]["kl_ref_test"]
    assert 0 < error < mean < 1 and 0 < floor < mean and not below
    assert found["cpu-fp32"]["kl_ref_test"][:2] == (0, 0) and found["cpu-fp32"]["kl_ref_test"][3]
    assert found["cpu-fp32"]["cosine"][0] == 1


def check_perplexity(folder, names):
    (folder / "text.txt").write_text("Once upon a time there was a king.\n")
    options = ["--text", "text.txt", "--precision", "fp32,bf16", "--json", "perplexity.json"]
    table = run(folder, *options, program="gpt2perplexity").decode()
    found, protocol = names["read_perplexity"](folder / "perplexity.json")
    assert protocol == "hf-stride" and list(found) == ["cpu-fp32", "cpu-bf16"]
    for value, error in found.values():
        assert 1 < value < 4096 and 0 < error < value and f"{value:.4f} +- {error:.4f}" in table


def main():
    names = readers()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_compare(names, folder)
        check_perplexity(folder, names)
        prompts = [f"Once upon a time{' there was' * count}" for count in range(SEQUENCES // SAMPLES)]
        options = [word for prompt in prompts for word in ("--prompt", prompt)]
        options += ["--ignore-eos", "--samples", str(SAMPLES), "-n", str(NEW), "--temp", "1.5", "--top_k", "0"]
        assert run(folder, *options, "--batch", "8", "--sink", SINKS) == b""
        tales = names["read_jsonl"](folder / "tales.jsonl")
        assert [tale["prompt"] for tale in tales] == [prompt for prompt in prompts for _ in range(SAMPLES)]
        assert names["read_tokens"](folder / "ids.txt") == [tale["tokens"] for tale in tales]
        assert names["read_text"](folder / "tale.txt") == [tale["prompt"] + tale["text"] for tale in tales]
        for sequence, tale in enumerate(tales):
            check_sequence(sequence, tale, names, folder)
        times = names["read_timings"](folder / "timings_FP32.json")
        assert list(times) == KEYS and len(times["model_initialization"]) == 1 and times["model_initialization"][0] > 0
        passes = {len(times[key]) for key in KEYS[1:]}
        assert len(passes) == 1 and NEW <= passes.pop() < SEQUENCES * NEW
        assert all(0 <= time < 1e6 for key in KEYS for time in times[key])
        assert min(times["forward_pass"]) > 0
        alone = run(folder, *options, "--batch", "1", "--sink", "jsonl", "--top", "3", "--echo")
        assert alone == (folder / "tales.jsonl").read_bytes(), "the batch decides neither order nor content"


main()
