"""recorded BUILD_FOLDER: record.py on the commands that are marked fast. Two recordings of the same programs, one of
them on a single processor, are alike; whatever is changed in one of them is found, and what is exempt is not.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import compare
import table

HERE = pathlib.Path(__file__).resolve().parent
ONE_SIDE = ("old", "new")


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def call(*arguments, processors=None):
    command = [sys.executable, "-B", HERE / "record.py", *arguments]
    bind = (lambda: os.sched_setaffinity(0, processors)) if processors else None
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bind)


def record(build, out):
    """Two recordings of the fast commands."""
    one = {min(os.sched_getaffinity(0))}
    for name, processors in zip(ONE_SIDE, (None, one)):
        done = call("--only", "fast", build / "bin", out / name, processors=processors)
        expect(done.returncode == 0, "a recording, found", done.stdout, done.stderr)


def check_arguments(build, out):
    for arguments, word in (
        ((build / "bin", out / "old"), "a new or empty folder"),
        ((out, out / "none"), "found no gpt2run"),
        (("--compare", out, out / "old"), "no recording.json"),
        (("--only", "nothing", build / "bin", out / "none"), "no case is called or marked so"),
    ):
        done = call(*arguments)
        expect(done.returncode == 2 and word in done.stderr, word, "in", done.stderr)


def verdict(out):
    """What a comparison finds: the worst as its exit status, and its text."""
    found = list(compare.compare_recordings(out / "old", out / "new"))
    text = "\n".join(map(compare.shown, found))
    return (1 if any(difference.is_result for difference in found) else 3 if found else 0), text


@contextlib.contextmanager
def changed(path, change):
    """A file of a recording, changed for a while: change makes its bytes anew, None removes it."""
    before = path.read_bytes() if path.exists() else None
    after = change(before)
    expect(after != before, path, "to be changed")
    path.unlink(missing_ok=True)
    if after is not None:
        path.write_bytes(after)
    yield
    path.unlink(missing_ok=True)
    if before is not None:
        path.write_bytes(before)


def replaced(old, new):
    return lambda data: re.sub(old, new, data, count=1)


def dumped_anew(data):
    """The same JSON in another order and with other blanks."""
    return json.dumps(dict(reversed(json.loads(data).items())), indent=3, ensure_ascii=False).encode()


def renumbered(data):
    """Of timings: another number of passes."""
    return re.sub(rb'("sampling": )\[[^]]*\]', rb"\1[0.5]", data)


RUN = "manifests/files/run.json"
TIMES = "sinks-together/files/timings_FP32.json"
LOGITS = "sink-logits/files/saved_logits/generation_FP32_0.json"
NPY = "sinks-together/files/saved_logits/generation_FP32_3.npy"
# file, change, exit status of the comparison, word that it says
CHANGES = [
    ("text-fp32/1.stdout", replaced(rb"the", b"tho"), 1, "text-fp32 1: gpt2run -n 40"),
    ("text-fp32/1.stderr", replaced(rb"[\d.]+ tokens/s", b"7 tokens/s"), 0, ""),
    ("text-fp32/1.stderr", replaced(rb"no --model: the demo", b"the demo"), 3, "+gpt2run: the demo model"),
    ("text-fp32/1.stderr", replaced(rb"40 new tokens", b"41 new tokens"), 3, "another number"),
    ("text-fp32/2.command", replaced(rb"argmax", b"nucleus"), 1, "the old command is another"),
    ("errors-of-options/1.exit", replaced(rb"2", b"1"), 1, "exit status 2, then 1"),
    (LOGITS, replaced(rb'"step": 1', b'"step": 1.0'), 1, "[1].step: 1, then 1.0"),
    (LOGITS, replaced(rb'"step": 1', b'"step": "1"'), 1, "a number, then a text"),
    ("sink-jsonl/1.stdout", replaced(rb'"finish_reason"', b'"reason"'), 1, "line 1: .finish_reason: only the old one"),
    ("sink-jsonl/files/all.jsonl", replaced(rb'"sequence": 3', b'"sequence": 33'), 1, "line 4: .sequence: 3, then 33"),
    (NPY, lambda data: data[:-1] + bytes([data[-1] ^ 1]), 1, "the first that differs is byte"),
    (NPY, lambda _: None, 1, "only the old recording has it"),
    ("sinks-together/files/.left.tmp", lambda _: b"", 1, "only the new recording has it"),
    (TIMES, renumbered, 0, ""),
    (TIMES, replaced(rb"forward_pass", b"forward_passes"), 1, "forward_pass: only the old one has it"),
    (TIMES, replaced(rb'"sampling": \[', b'"sampling": ["0", '), 1, "expected lists of numbers"),
    (RUN, dumped_anew, 0, ""),
    (RUN, replaced(rb'"seed"', b'"seeds"'), 1, ".seed"),
    (RUN, replaced(rb'(?s)("plugins": .*?"hash": ")..', rb"\1zz"), 0, ""),
    (RUN, replaced(rb'"abi": \d+', b'"abi": 99'), 3, ".gpt2run.abi"),
    (RUN, replaced(rb'(?s)("model": \{.*?"hash": ")..', rb"\1zz"), 1, ".model.hash"),
]  # fmt: skip


def check_changes(out):
    for name, change, status, word in CHANGES:
        with changed(out / "new/cases" / name, change):
            found, text = verdict(out)
        expect(found == status, status, "for a change of", name, "found", found, text)
        expect(word in text, repr(word), "for a change of", name, "found", text)
    found, text = verdict(out)
    expect(found == 0, "two recordings that are alike, found", text)


def check_texts(out):
    """Rules for outputs that the fast commands do not have."""
    sides = compare.Side(out / "old"), compare.Side(out / "new")

    def judged(old, new, *marks):
        results, wording = compare.compare_output(old.encode(), new.encode(), sides, set(marks))
        return "result" if results else "wording" if wording else "alike"

    for old, new, marks, expected in (
        ("rows a step: 3\n", "a step has 3 rows\n", ["prose"], "wording"),
        ("rows a step: 3\n", "rows a step: 4\n", ["prose"], "result"),
        ("rows a step: 3\n", "a step has 3 rows\n", [], "result"),
        ("NAME  RUNS\n", "NAME  WORKS\n", ["prose"], "result"),
        ("fp32   1  12.5 (9 - 14)  -\n", "fp32  1  2.25 (1 - 3)   -\n", ["times"], "alike"),
        ("fp32   1  12.5 (9 - 14)  -\n", "fp16  1  2.25 (1 - 3)   -\n", ["times"], "result"),
        ("fp32   1  12.5 (9 - 14)  -\n", "fp32   1  12.5 (9 - 14)  0.5\n", ["times"], "result"),
        ("TEST  KL\n=      exactly equal\n", "TEST  KL\n=      the same\n", [], "wording"),
        ("TEST  KL\n=      exactly equal\n", "TEST  KL\n~      exactly equal\n", [], "result"),
        ('{"steps": 3, "layer_rows": 4}', '{"steps": 4, "layer_rows": 4}', [], "alike"),
        ('{"steps": 3, "layer_rows": 4}', '{"steps": 3, "layer_rows": 5}', [], "result"),
        (f'{{"p": "{out}/old/cases/x"}}', f'{{"p": "{out}/new/cases/x"}}', [], "alike"),
        (f"{out}/old/cases/x", f"{out}/new/cases/x", [], "alike"),
        (f"{out}/old/cases/x", f"{out}/older/cases/x", [], "result"),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 3}', [], "result"),
    ):
        expect(judged(old, new, *marks) == expected, expected, "for", repr(old), repr(new), marks)
    bench = '{"load_before": 1, "bandwidth_bytes": 2, "results": [{"median": %s, "samples": [1, %s], "unit": "%s"}]}'
    expect(judged(bench % (1, 2, "ms"), bench % (3, 4, "ms")) == "alike", "times of a benchmark to be exempt")
    expect(judged(bench % (1, 2, "ms"), bench % ("null", 4, "ms")) == "result", "a time that is not known to be found")
    expect(judged(bench % (1, 2, "ms"), bench % (1, 2, "s")) == "result", "another unit to be found")
    positions = b"precision,placement,T,position,mean,median,std,count\nFP32,host,8,7,%s,4\n"
    for old, new, expected in (
        (b"1,2,3", b"4,5,", False),
        (b"1,2,3,4", b"1,2,3,5", False),
        (b"1,2,3", b"1,2,3,4\nFP32,host,8,8,1,2,3", True),
    ):
        results, _ = compare.compare_file("timings/positions.csv", positions % old, positions % new, sides)
        expect(bool(results) == expected, expected, "for positions", old, new)


def check_table():
    """Every run has its length: a default may change."""
    for case in table.read(HERE / "commands.txt"):
        for command in case.commands:
            runs = re.search(r"gpt2(run|compare) ", command)
            has_length = re.search(r" (-n|--help|--version|--config|--ref_folder)( |$)", command)
            expect(has_length or not runs, "-n in", case.name + ":", command)


check_table()
with tempfile.TemporaryDirectory() as scratch:
    folder = pathlib.Path(scratch).resolve()
    record(pathlib.Path(sys.argv[1]).resolve(), folder)
    check_arguments(pathlib.Path(sys.argv[1]).resolve(), folder)
    compared = call("--compare", folder / "old", folder / "new")
    expect(compared.returncode == 0, "two recordings that are alike, found", compared.stdout, compared.stderr)
    expect(" 0 results differ, 0 differ in wording only" in compared.stdout, "a summary, found", compared.stdout)
    check_changes(folder)
    check_texts(folder)
