#!/usr/bin/env bash
# gpu_check.rehearsal BUILD: scripts/gpu_check.sh on the executor. Every step has its result, the JSON and the last lines
# hold the whole table, and a step that fails is named, ends with exit code 1 and stops no other.
set -euo pipefail
build=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$*" >&2
  cat "$work/said" >&2
  exit 1
}

OUT=$work/all scripts/gpu_check.sh rehearse "$build" >"$work/said" 2>&1 || fail "expected exit code 0, found $?"
python3 -B - "$work" <<'END' || fail "the results are not as expected"
import json, math, pathlib, sys
work = pathlib.Path(sys.argv[1])
found = json.loads((work / "all/gpu_check.json").read_text())
assert found["mode"] == "rehearsal", found["mode"]
steps = {step["step"]: step["status"] for step in found["steps"]}
pdl = steps.pop("pdl")  # which runs where the precision has the option
assert pdl in ("passed", "skipped"), pdl
done = ("versions", "small", "units", "sanitizer", "parity", "table", "wide", "prefill", "types")
assert steps == {**dict.fromkeys(done, "passed"), **dict.fromkeys(("ceilings", "build", "profile"), "skipped")}, steps
all_cells = {(c["model"], c["precision"], c["sampler"], c["pdl"], c["way"], c["context"], c["batch"]): c for c in found["table"]}
cells = {key: cell for key, cell in all_cells.items() if key[3] == "auto"}
assert (len(cells) < len(all_cells)) == (pdl == "passed"), list(all_cells)
shapes = {("fp16", "argmax"): ((4, 1), (8, 1), (8, 8), (8, 64)), ("fp16", "nucleus"): ((4, 1), (8, 1), (8, 8)),
          ("fp32", "argmax"): ((8, 1),), ("bf16", "argmax"): ((8, 1),)}
wanted = [(m, t, s, "auto", w, c, b) for m in ("small", "large") for t in ("fp32", "fp16", "bf16") for s in ("argmax", "nucleus")
          for w in ("loop", "repeat") for c, b in shapes.get((t, s), ())]
assert list(cells) == wanted, list(cells)
for (model, precision, _, _, _, context, batch), cell in cells.items():
    layers, C, F, V = (1, 16, 16, 20) if model == "small" else (2, 32, 32, 20)
    weights = layers * (4 * C * C + 2 * C * F + 9 * C + F) + 2 * C + V * C
    positions = context - 2 + 1.5  # two new tokens that end at the context see the prompt and 1 or 2 more
    size = 4 if precision == "fp32" else 2
    step = size * (weights + 2 * layers * C * positions * batch)
    rate = step / cell["us_per_step"] * 1e-3
    assert math.isclose(cell["gb_per_s"], rate, rel_tol=1e-6), (cell, rate)
    statistics = 2 * layers + 1 if 2 < batch <= 8 else 0  # of rows before each product that normalises them
    kernels = 9 * layers + 5 if batch == 64 else 5 * layers + 4 + statistics
    assert math.isclose(cell["kernels_per_token"], kernels / batch), cell
    assert math.isclose(cell["tokens_per_s"], 1e6 * batch / cell["us_per_step"]), cell
    assert cell["of_read_bandwidth"] is None, cell
prefills = [(p["model"], p["precision"], p["epilogue"], p["prompt"]) for p in found["prefill"]]
assert prefills == [(m, "fp16", e, 12) for m in ("small", "large") for e in ("exact", "fused")], prefills
assert found["profile"] == [], found["profile"]
for p in found["prefill"]:
    assert 0 < p["least"] <= p["tokens_per_s"] <= p["greatest"] < math.inf, p
for text in (work / "said", work / "all/gpu_check.log"):
    last = [line.split() for line in text.read_text().splitlines()[-len(all_cells):]]
    assert [(m, t, s, p, w, int(c), int(b)) for m, t, s, p, w, c, b, *_ in last] == list(all_cells), text
assert not list((work / "all").glob("*.new")) and len(list((work / "all").iterdir())) == 2
END
# What a step finds is there before it ends, and CUDA's plugins are seen to run, by the stand-in for the driver.
grep -q '^-- part-small-fp16-nucleus' "$work/said" || fail "expected the parts of the table as they come"
if [ -e "$build/tests/cuda_stub/libcuda.so.1" ]; then
  grep -qE ' argmax +cuda +yes' "$work/said" || fail "expected the CUDA plugins to run with the stand-in for the driver"
fi
# The two prepared calls keep their limits, also if every step takes all of its own.
python3 -B - <<'END' || fail "the limits are not as expected"
import re
text = open("scripts/gpu_check.sh").read()
limits = {name: int(limit) for name, limit in re.findall(r"\[(\w+)\]=(\d+)", text)}
for call, most in (("first", 330), ("second", 300)):
    steps = re.search(rf"^{call}=\((.*)\)$", text, re.M).group(1).split()
    assert most - 20 <= sum(limits[step] for step in steps) <= most, (call, steps)
END

code=0
GPT2RUN_GPU_MODEL=synthetic:nonsense OUT=$work/some scripts/gpu_check.sh rehearse "$build" versions parity small \
  >"$work/said" 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "a failing step: expected exit code 1, found $code"
grep -q '^parity: FAILED: exit code 1, ' "$work/said" || fail "expected parity to be named as failed"
grep -q '^small: passed, ' "$work/said" || fail "expected small to run after parity failed"
! grep -q 'tokens/s' "$work/said" || fail "expected no table without its step"

# refused CODE WORDS ARGUMENT...: one line that holds WORDS, and no folder of results.
refused() {
  code=0
  OUT=$work/none scripts/gpu_check.sh "${@:3}" >"$work/said" 2>&1 || code=$?
  [ "$code" -eq "$1" ] || fail "${*:3}: expected exit code $1, found $code"
  [ "$(wc -l <"$work/said")" -eq 1 ] || fail "${*:3}: expected one line"
  grep -qF -- "$2" "$work/said" || fail "${*:3}: expected '$2'"
  [ ! -e "$work/none" ] || fail "${*:3}: expected nothing to be written"
}

refused 2 "unknown step 'paritty'" rehearse "$build" paritty
refused 2 "unknown step ''" rehearse "$build" ''
refused 2 "unknown step 'step'" step versions
refused 2 "unknown step 'first'" first second
refused 2 "unknown option '--fast'" --fast
refused 2 "expected rehearse BUILD" rehearse
refused 1 "holds no built tests: cmake --preset release -D GPT2RUN_TESTS=ON && ninja" rehearse "$work" versions
scripts/gpu_check.sh --help >"$work/said" || fail "--help: expected exit code 0, found $?"
grep -q 'scripts/gpu_check.sh rehearse BUILD' "$work/said" || fail "--help: expected the usage"
