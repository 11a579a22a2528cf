"""loaders.transformers_package BUILD_FOLDER: the Python package `transformers` opens what gpt2convert writes, with every
setting that it can write, and computes the logits that gpt2run computes.

It needs transformers and torch, and skips (exit status 77) where python3 does not have them.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

try:
    import torch
    import transformers
except ImportError as error:
    print(f"SKIPPED: this test needs the packages transformers and torch: {error}")
    sys.exit(77)

DEMO = pathlib.Path(__file__).resolve().parents[2] / "models" / "demo"
SMALL = "synthetic:L=3,C=24,H=3,V=131,T=9"
MODELS = [str(DEMO), SMALL + ",tied=0,epsilon=1e-4,F=40,end_of_text=-1"]
MODELS += [f"{SMALL},scale_by_layer=1,activation={name}" for name in ("gelu_erf", "relu", "silu", "tanh")]
TOKENS = [1, 9, 30, 77]
TOLERANCE = 2e-4  # both compute in FP32


def our_logits(programs, model, folder):
    """The logits after TOKENS."""
    command = [programs / "gpt2run", "-q", "-m", model, "-n", "1", "--precision", "reference", "--sampler", "argmax"]
    command += ["--tokens", ",".join(map(str, TOKENS)), "--sink", "logits", "--logits.dir", folder]
    subprocess.run(command, check=True)
    (found,) = pathlib.Path(folder).glob("generation_*_0.json")
    return torch.tensor(json.loads(found.read_text())[0]["logits"])


def check(programs, model, folder):
    written = folder / "written"
    subprocess.run([programs / "gpt2convert", "-q", "-m", model, "-o", written], check=True)
    theirs, report = transformers.GPT2LMHeadModel.from_pretrained(written, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not report[kind], (model, kind, report[kind])
    with torch.no_grad():
        found = theirs.eval()(torch.tensor([TOKENS])).logits[0, -1].float()
    expected = our_logits(programs, model, folder / "logits")
    difference = (found - expected).abs().max().item()
    assert difference <= TOLERANCE, (model, difference)  # false for NaN
    if (written / "vocab.json").exists():
        tokenizer = transformers.GPT2TokenizerFast.from_pretrained(written)
        ids = tokenizer("Once upon a time<|endoftext|>")["input_ids"]
        assert ids[-1] == theirs.config.eos_token_id and tokenizer.decode(ids[:-1]) == "Once upon a time", ids


def main():
    programs = pathlib.Path(sys.argv[1]) / "bin"
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            check(programs, model, pathlib.Path(folder))


main()
