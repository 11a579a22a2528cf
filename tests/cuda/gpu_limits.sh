#!/usr/bin/env bash
# gpu_check.limits: a step that hangs is over at its limit, is named and leaves nothing running, though something that has
# left it holds the log open; a later call still knows what was found, unless it stands on another device. A test that is
# skipped, and an old CMake, fail their steps. The device's programs are stand-ins.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
mkdir "$work/bin"
trap 'kill "$(cat "$work/away")" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
  echo "$*" >&2
  cat "$work/said" >&2
  exit 1
}

# stand_in NAME: a program of this name, its script from standard input.
stand_in() {
  cat >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

stand_in nvidia-smi <<'END'
#!/bin/sh
echo "$STAND_IN_DEVICE"
END
stand_in nvcc <<'END'
#!/bin/sh
echo "stand-in, release 0"
END
stand_in compute-sanitizer <<'END'
#!/bin/sh
if [ "$1" = --version ]; then exit; fi
echo "it hangs"
setsid sleep 300 &
echo $! >"$STAND_IN_WORK/away"
sleep 300 &
echo $! >"$STAND_IN_WORK/child"
wait
END

# check DEVICE STEP...: its words go to said, its exit code to code.
check() {
  code=0
  PATH=$work/bin:$PATH STAND_IN_DEVICE=$1 STAND_IN_WORK=$work GPT2RUN_GPU_BUILD=$work/build GPT2RUN_GPU_SECONDS=10 \
    OUT=$work/out scripts/gpu_check.sh "${@:2}" >"$work/said" 2>&1 || code=$?
}

# steps: the names in the JSON, blank between.
steps() {
  python3 -c 'import json, sys; print(*(s["step"] for s in json.load(open(sys.argv[1]))["steps"]))' "$work/out/gpu_check.json"
}

SECONDS=0
check "a device" sanitizer
[ "$code" -eq 1 ] || fail "a step that hangs: expected exit code 1, found $code"
[ "$SECONDS" -lt 60 ] || fail "a step that hangs: expected about 10 s, found $SECONDS"
grep -q '^== sanitizer: FAILED: over its limit, ' "$work/said" || fail "expected the step to be named as over its limit"
grep -q 'it hangs' "$work/out/gpu_check.log" || fail "expected its words in the log"
kill -0 "$(cat "$work/away")" || fail "expected what has left the step to hold the log open"
for _ in {1..50}; do
  kill -0 "$(cat "$work/child")" 2>/dev/null || break
  sleep 0.1
done
! kill -0 "$(cat "$work/child")" 2>/dev/null || fail "expected nothing of the step to run on"

mkdir -p "$work/python/nvidia/cublas/lib"
export PYTHONPATH=$work/python
check "a device" versions
[ "$code" -eq 0 ] || fail "expected exit code 0, found $code"
grep -q 'it hangs' "$work/out/gpu_check.log" || fail "expected the log of an earlier call to stay"
grep -q "^libraries.*$work/python/nvidia/cublas/lib" "$work/out/gpu_check.log" || fail "expected cuBLASLt of a Python package"
grep -q '"mode": "gpu"' "$work/out/gpu_check.json" || fail "expected the mode in the JSON"
[ "$(steps)" = "sanitizer versions" ] || fail "expected what an earlier call found to stay, found $(steps)"
check "another device" versions
[ "$(steps)" = versions ] || fail "expected nothing of another device, found $(steps)"

# A build whose only test is skipped.
mkdir -p "$work/build/bin"
stand_in ../build/bin/gpt2plugins <<<'#!/bin/sh'
cat >"$work/build/CTestTestfile.cmake" <<'END'
add_test(conformance.precision-x.cuda printf "1..1\\n# skipped: it cannot run\\n")
set_tests_properties(conformance.precision-x.cuda PROPERTIES SKIP_REGULAR_EXPRESSION "# skipped: ")
END
check "a device" units
[ "$code" -eq 1 ] || fail "a skipped test: expected exit code 1, found $code"
grep -q 'expected every test to run here, found skipped ones' "$work/said" || fail "expected the skipped test to be told of"
rm "$work/build/CTestTestfile.cmake"
check "a device" units
[ "$code" -eq 1 ] || fail "no test: expected exit code 1, found $code"

stand_in cmake <<'END'
#!/bin/sh
echo "cmake version 3.22.1"
END
check "a device" versions
[ "$code" -eq 1 ] || fail "an old CMake: expected exit code 1, found $code"
grep -q 'expected CMake 3\.[0-9]* or newer, found 3\.22\.1' "$work/said" || fail "expected the old CMake to be named"
