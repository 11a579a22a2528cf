"""docs.model BUILD_FOLDER: the code of docs/model.md is GPT-2. Its logits on the demo model are those of the precision
`reference` within 1e-4, in every number type, and so is the text that it continues. With a formula broken they are not.

It needs numpy, and skips (exit status 77) where no python3 has it.
"""

import contextlib
import importlib.util
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEBIAN_PYTHON = "/usr/bin/python3"
TRIED = "GPT2RUN_DOCS_PYTHON"  # in the environment: no third try
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
MOST = 1e-4
TYPES = ("fp32", "fp16", "bf16")
NEW = 8

# "Once upon a time", and ids all over the vocabulary, the first and the last among them.
PROMPTS = ([2441, 678, 258, 529], [4095, 0, *((37 * i * i + 11) % 4096 for i in range(60))])

# What somebody could write by mistake: of every operation, of the cache, and of every point that is rounded.
MISTAKES = (
    ("0.044715", "0.0447"),
    ("variance + epsilon", "variance"),
    ("/ np.sqrt(D)", "/ D"),
    ("k=1 + len(keys) - R", "k=len(keys) - R"),
    ("first : first + len(tokens)", "0 : len(tokens)"),
    ("if first:", "if first > 99:"),
    ("q, *kept =", "*kept, q ="),
    ("x = x + linear(h,", "x = linear(h,"),
    ('norm(x, own + "ln_2")', 'norm(x, own + "ln_1")'),
    ("] = round_to(values)", "] = values"),
    ("qkv = round_to(linear(", "qkv = (linear("),
    ("linear(round_to(attention(", "linear((attention("),
    ("h = round_to(gelu(", "h = (gelu("),
    ("round_to(layernorm(", "round_to_fp32(layernorm("),
    ("np.uint32(0x7FFF)", "np.uint32(0)"),
)


def need_numpy():
    """The first python3 on PATH need not be the one that Debian's packages belong to: that one is tried next."""
    if importlib.util.find_spec("numpy"):
        return
    if os.access(DEBIAN_PYTHON, os.X_OK) and TRIED not in os.environ:
        os.environ[TRIED] = DEBIAN_PYTHON
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, "-B", *sys.argv])
    print("skipped: numpy is missing (package python3-numpy)")
    sys.exit(77)


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def reference(build, kind, prompt):
    """The ids that gpt2run chose after a prompt, and the logits that it chose each from."""
    options = ["--model", ROOT / "models/demo", "--tokens", " ".join(map(str, prompt)), "-n", str(NEW), "--ignore-eos"]
    options += ["--sampler", "argmax", "--precision", f"reference:type={kind}", "--sink", "logits:dir=.:name=model"]
    with tempfile.TemporaryDirectory() as folder:
        command = [build / "bin/gpt2run", "-q", *options]
        done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        expect(done.returncode == 0, command, "to run, found", done.stderr.decode())
        steps = json.loads((pathlib.Path(folder) / "generation_model_0.json").read_text(encoding="utf-8"))
    expect(len(steps) == NEW, NEW, "steps, found", len(steps))
    return [step["token"] for step in steps], [step["logits"] for step in steps]


def run_blocks(text):
    """What the document's code defines, and what it prints."""
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in CODE.findall(text):
            exec(compile(block, "docs/model.md", "exec"), names)  # pylint: disable=exec-used
    return names, printed.getvalue()


def distance(names, kind, prompt, chosen, logits):
    """The largest difference from the logits of gpt2run: of all tokens at once, and in pieces as they come."""
    np, round_to = names["np"], names[f"round_to_{kind}"]
    model = names["read_model"]("models/demo", round_to)
    tokens, wanted = prompt + chosen[:-1], np.array(logits, np.float64)
    starts = [0, 3, *range(len(prompt), len(tokens))]
    pieces = [tokens[begin:end] for begin, end in zip(starts, [*starts[1:], len(tokens)])]
    differences = []
    for steps in ([tokens], pieces):
        cache = {}
        rows = np.concatenate([names["forward"](model, step, cache, round_to) for step in steps])
        differences.append(np.abs(rows[-NEW:] - wanted).max())
    return np.max(differences)  # NaN where there is one


def check_logits(text, cases):
    names, _ = run_blocks(text)
    for case in cases:
        found = distance(names, *case)
        print(f"{case[0]}, a prompt of {len(case[1])} tokens: logits differ by up to {found:.2e}")
        expect(found <= MOST, f"at most {MOST}, found", found)


def check_continuation(text, chosen):
    _, printed = run_blocks(text)
    expect(SHOWN.findall(text) == [printed], "the text block to be what the code prints, found", printed)
    expect(json.loads(printed) == chosen, "what gpt2run chooses,", chosen, "found", printed)


def check_mistakes(text, case):
    """The check itself: it is red for each of them, on a case of 16 bits, in which all of them show."""
    for right, wrong in MISTAKES:
        expect(right in text, f"'{right}' in docs/model.md")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one of them makes NaN
            names, _ = run_blocks(text.replace(right, wrong))
            found = distance(names, *case)
        expect(not found <= MOST, f"'{wrong}' in place of '{right}' to be seen, found", found)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    os.chdir(ROOT)
    text = (ROOT / "docs/model.md").read_text(encoding="utf-8")
    cases = [(kind, prompt, *reference(build, kind, prompt)) for kind in TYPES for prompt in PROMPTS]
    check_logits(text, cases)
    check_continuation(text, cases[0][2])
    check_mistakes(text, cases[-2])


need_numpy()
main()
