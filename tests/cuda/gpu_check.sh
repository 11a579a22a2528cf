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
steps = {step["step"]: step["status"] for step in found["steps"]}
done, left_out = ("versions", "units", "sanitizer", "parity", "table", "prefill"), ("ceilings", "build")
assert steps == {**dict.fromkeys(done, "passed"), **dict.fromkeys(left_out, "skipped")}, steps
cells = {(c["model"], c["precision"], c["way"], c["context"], c["batch"]): c for c in found["table"]}
wanted = [(m, t, w, c, b) for m in ("small", "large") for t in ("fp32", "fp16", "bf16") for w in ("loop", "graph")
          for c in (4, 8) for b in (1, 8)]
assert list(cells) == wanted, list(cells)
for (model, precision, _, context, batch), cell in cells.items():
    layers, C, F, V = (1, 16, 16, 20) if model == "small" else (2, 32, 32, 20)
    weights = layers * (4 * C * C + 2 * C * F + 9 * C + F) + 2 * C + V * C
    positions = context - 2 + 1.5  # two new tokens that end at the context see the prompt and 1 or 2 more
    size = 4 if precision == "fp32" else 2
    step = size * (weights + 2 * layers * C * positions * batch)
    rate = step / cell["us_per_step"] * 1e-3
    assert math.isclose(cell["gb_per_s"], rate, rel_tol=1e-6), (cell, rate)
    assert math.isclose(cell["kernels_per_token"], (5 * layers + 4) / batch), cell
    assert math.isclose(cell["tokens_per_s"], 1e6 * batch / cell["us_per_step"]), cell
    assert cell["of_read_bandwidth"] is None, cell
prefills = [(p["model"], p["precision"], p["epilogue"], p["prompt"]) for p in found["prefill"]]
assert prefills == [(m, t, e, 12) for m in ("small", "large") for t in ("fp16", "bf16") for e in ("exact", "fused")], prefills
for p in found["prefill"]:
    assert 0 < p["least"] <= p["tokens_per_s"] <= p["greatest"] < math.inf, p
for text in (work / "said", work / "all/gpu_check.log"):
    last = [line.split() for line in text.read_text().splitlines()[-len(wanted):]]
    assert [(m, t, w, int(c), int(b)) for m, t, w, c, b, *_ in last] == wanted, text
assert not list((work / "all").glob("*.new")) and len(list((work / "all").iterdir())) == 2
END

code=0
GPT2RUN_GPU_MODEL=synthetic:nonsense OUT=$work/some scripts/gpu_check.sh rehearse "$build" versions parity units \
  >"$work/said" 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "a failing step: expected exit code 1, found $code"
grep -q '^parity: FAILED: exit code 1, ' "$work/said" || fail "expected parity to be named as failed"
grep -q '^units: passed, ' "$work/said" || fail "expected units to run after parity failed"

code=0
scripts/gpu_check.sh rehearse "$build" paritty >"$work/said" 2>&1 || code=$?
[ "$code" -eq 1 ] || fail "an unknown step: expected exit code 1, found $code"
grep -q "unknown step 'paritty'" "$work/said" || fail "expected an unknown step to be named"
! scripts/gpu_check.sh rehearse "$build" '' >"$work/said" 2>&1 || fail "expected an empty step to be refused"
grep -q "unknown step ''" "$work/said" || fail "expected an empty step to be named"
