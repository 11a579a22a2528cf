"""study.adder BUILD_FOLDER: scripts/adder.py on minGPT's adder, which is no part of the sources: right sums by format, and
bad input.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from place import ROOT, expect

ADDER = ROOT.parent / "shared/data/adder/model.pt"
NAMES = ("reference:w=int8:a=int8", "reference:w=int4:group=16:zero=least", "reference:w=int4:exact=layer0")


def write_formats(path):
    metric = {"mean": 0.5, "batch_standard_error": None}
    direction = {"better": 0, "worse": 0, "share_better": None, "interval": [None, None]}
    metrics = {"kl_ref_test": metric, "top1_agreement": metric, "logprob_difference": metric}
    tests = [{"name": name, "metrics": metrics, "direction": direction, "step_bytes": None if "exact" in name else 2000000} for name in NAMES]
    path.write_text(json.dumps({"reference": "cpu-fp32", "reference_step_bytes": 8000000, "tokens": 9, "tests": tests}))


def run(place, *arguments):
    return subprocess.run([place / "scripts/adder.py", *arguments], cwd=place, capture_output=True, text=True, check=False)


def check_sums(place):
    done = run(place, ADDER, "formats.json", "--sums", "250", "--json", "adder.json")
    expect(done.returncode == 0 and done.stderr == "", "sums, found", done)
    lines = [line.split() for line in done.stdout.splitlines()]
    expect([line[0] for line in lines] == ["FORMAT", "cpu-fp32", *NAMES], "a row for each format, found", done.stdout)
    expect(lines[1][1:] == ["0", "1", "0", "8.000", "250"], "all sums right in FP32, found", lines[1])
    expect(lines[2][1:] == ["0.5", "0.5000", "-0.5", "2.000", "250"], "all sums right in int8, found", lines[2])
    expect(lines[4][-2] == "-", "no bytes where they are not known, found", lines[4])
    node = json.loads((place / "adder.json").read_text())
    expect(node["sums"] == 250 and list(node["right"]) == ["cpu-fp32", *NAMES], "the same in the file, found", node)
    expect(all(200 <= node["right"][name] <= 250 for name in NAMES), "most sums right, found", node)


def check_wrong_sums(place):
    """MXFP4 for everything: some sums go wrong and are counted so."""
    path = place / "formats.json"
    node = json.loads(path.read_text())
    node["tests"] = [one | {"name": "reference:w=mxfp4:a=mxfp4:head=mxfp4:kv=mxfp4"} for one in node["tests"][:1]]
    (place / "coarse.json").write_text(json.dumps(node))
    done = run(place, ADDER, "coarse.json", "--sums", "250")
    right = int(done.stdout.splitlines()[-1].split()[-1])
    expect(0 < right < 250, "some sums to be wrong, found", done)


def check_bad(place):
    (place / "empty.json").write_text("{}")
    for line, code, arguments in (
        ("adder.py: --sums: expected a number in [1, 10000], found 0", 2, [ADDER, "formats.json", "--sums", "0"]),
        ("adder.py: empty.json: expected the key 'reference'", 1, [ADDER, "empty.json"]),
        ("adder.py: nosuch.json: No such file or directory", 1, [ADDER, "nosuch.json"]),
        ("adder.py: cpu-fp32: gpt2run failed: the reason stands above", 1, ["nosuch.pt", "formats.json", "--sums", "1"]),
    ):
        done = run(place, *arguments)
        expect(done.returncode == code and done.stderr.splitlines()[-1].startswith(line), line, "found", done)


if not ADDER.exists():
    print(f"skipped: {ADDER} is not there")
    sys.exit(77)
with tempfile.TemporaryDirectory() as work:
    there = pathlib.Path(work)
    (there / "build/release").mkdir(parents=True)
    (there / "build/release/bin").symlink_to(pathlib.Path(sys.argv[1]).resolve() / "bin")
    shutil.copytree(ROOT / "scripts", there / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    write_formats(there / "formats.json")
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for check in (check_sums, check_wrong_sums, check_bad):
        check(there)
