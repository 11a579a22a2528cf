#!/usr/bin/env bash
# gpu_check.limits: a step that hangs is over at its limit, is named and leaves nothing running, though something that has
# left it holds the log open; a later call still knows what was found, unless it stands on another device. A plugin that
# cannot run, and an old CMake, fail their steps. The device's programs are stand-ins, and so is the kit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
mkdir -p "$work/bin" "$work/build/bin" "$work/build/lib/gpt2run"
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
  PATH=$work/bin:$PATH STAND_IN_DEVICE=$1 STAND_IN_WORK=$work GPT2RUN_GPU_BUILD=$work/build GPT2RUN_GPU_SECONDS=20 \
    OUT=$work/out scripts/gpu_check.sh "${@:2}" >"$work/said" 2>&1 || code=$?
}

# steps: the names in the JSON, blank between.
steps() {
  python3 -c 'import json, sys; print(*(s["step"] for s in json.load(open(sys.argv[1]))["steps"]))' "$work/out/gpu_check.json"
}

SECONDS=0
check "a device" sanitizer
[ "$code" -eq 1 ] || fail "a step that hangs: expected exit code 1, found $code"
[ "$SECONDS" -lt 60 ] || fail "a step that hangs: expected about 20 s, found $SECONDS"
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
stand_in ../build/bin/gpt2plugins <<<'echo "sampler  argmax  cuda  yes"'
export CUBLAS_EMULATION_STRATEGY=eager
check "a device" versions
[ "$code" -eq 0 ] || fail "expected exit code 0, found $code"
grep -q '^variables.*CUBLAS_EMULATION_STRATEGY=eager' "$work/out/gpu_check.log" || fail "expected the library's variables"
grep -q 'it hangs' "$work/out/gpu_check.log" || fail "expected the log of an earlier call to stay"
grep -q "^libraries.*$work/python/nvidia/cublas/lib" "$work/out/gpu_check.log" || fail "expected cuBLASLt of a Python package"
grep -q '"mode": "gpu"' "$work/out/gpu_check.json" || fail "expected the mode in the JSON"
[ "$(steps)" = "sanitizer versions" ] || fail "expected what an earlier call found to stay, found $(steps)"
check "another device" versions
[ "$(steps)" = versions ] || fail "expected nothing of another device, found $(steps)"

# A driver with which no plugin of CUDA can run.
stand_in ../build/bin/gpt2plugins <<<'echo "sampler  argmax  cuda  no  the driver is too old"'
check "a device" versions
[ "$code" -eq 1 ] || fail "plugins that cannot run: expected exit code 1, found $code"
grep -q 'expected the CUDA plugins to run here' "$work/said" || fail "expected to be told of plugins that cannot run"

# A kit whose only plugin is skipped, then one without plugins.
for test in test_cuda_gemm test_cuda_gpu; do
  stand_in ../build/bin/$test <<'END'
#!/bin/sh
echo "[  PASSED  ] $GPT2RUN_TEST_PLUGINS"
END
done
stand_in ../build/bin/gpt2run-plugin-check <<<'printf "1..1\n# skipped: it cannot run\n"'
touch "$work/build/lib/gpt2run/gpt2run-precision-x.cuda.so"
check "a device" units
[ "$code" -eq 1 ] || fail "a skipped plugin: expected exit code 1, found $code"
grep -q '^# skipped: it cannot run' "$work/said" || fail "expected the skipped plugin to be told of"
grep -qF "[  PASSED  ] $(realpath "$work/build/lib/gpt2run")" "$work/said" || fail "expected tests to take the kit's plugins"
stand_in ../build/bin/gpt2run-plugin-check <<<'echo "ok 1 all of it"'
check "a device" units
[ "$code" -eq 0 ] || fail "a plugin that passes: expected exit code 0, found $code"
stand_in ../build/bin/test_cuda_gpu <<<'echo "[  SKIPPED ] no device"'
check "a device" units
[ "$code" -eq 1 ] || fail "a skipped test: expected exit code 1, found $code"
grep -q 'expected every test to run here, found skipped ones' "$work/said" || fail "expected the skipped test to be told of"
rm "$work/build/lib/gpt2run/gpt2run-precision-x.cuda.so"
check "a device" units
[ "$code" -eq 1 ] || fail "no plugin: expected exit code 1, found $code"

# The profiler's words become lines and a part of the JSON.
stand_in ncu <<'END'
#!/bin/sh
[ "$1" = --version ] && exit
cat <<'CSV'
==PROF== Connected to process 1
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","1","void product_kernel<1, 1>(int)","gpu__time_duration.sum","us","3.4"
"0","1","void product_kernel<1, 1>(int)","dram__bytes_read.sum","Mbyte","3.5"
"1","1","attention_kernel(int)","gpu__time_duration.sum","us","5.3"
CSV
END
check "a device" profile
[ "$code" -eq 0 ] || fail "a profile: expected exit code 0, found $code"
grep -q '^attention_kernel, gpu__time_duration.sum 5.3 us$' "$work/said" || fail "expected a line for each kernel"
grep -q '"dram__bytes_read.sum": "3.5 Mbyte"' "$work/out/gpu_check.json" || fail "expected the profile in the JSON"

stand_in cmake <<'END'
#!/bin/sh
echo "cmake version 3.22.1"
END
check "a device" build
[ "$code" -eq 1 ] || fail "an old CMake: expected exit code 1, found $code"
grep -q 'expected CMake 3\.[0-9]* or newer, found 3\.22\.1' "$work/said" || fail "expected the old CMake to be named"
