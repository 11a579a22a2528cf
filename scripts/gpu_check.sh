#!/usr/bin/env bash
# Everything that needs a GPU: does it run, is it right, how fast is it. Two calls are prepared, for a machine that is
# lent for a quarter of an hour; they need no compiler there, but a kit that scripts/gpu_kit.sh has made here.
#   scripts/gpu_check.sh first                      330 s at most: versions small ceilings units sanitizer parity table
#                                                   profile
#   scripts/gpu_check.sh second                     300 s at most: small parity pdl wide prefill types
#   scripts/gpu_check.sh [STEP...]                  the steps that are named, else all; build is one, for a machine of your
#                                                   own with nvcc, a C++ compiler, CMake, Ninja and python3
#   scripts/gpu_check.sh rehearse BUILD [first|second|STEP...]   the same on the CPU executor, small, with a build that has
#                                                   tests
# Every step has a time limit of its own and none stops the others. What is found is written at once, and after each step
# gpu_check.json in $OUT (else build/gpu_check, of a rehearsal build/gpu_rehearsal) holds all that is known; of a step that
# is left out, what an earlier call found on the same device. gpu_check.log there is added to. The last lines are the
# table. Exit code 1 when a step failed.
# In the environment: GPT2RUN_GPU_BUILD, else build/gpu_kit, or build/gpu where there is no kit or where the step build is
# asked for; GPT2RUN_CUDA_ARCHITECTURES for the step build, in place of the device's; GPT2RUN_GPU_SECONDS of all steps
# together, else 330 of first, 300 of second and 580 of others.
set -euo pipefail
start=$PWD
umask 022  # plugins that everyone can write are refused
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

first=(versions small ceilings units sanitizer parity table profile)
second=(small parity pdl wide prefill types)
all_steps=(versions build small ceilings units sanitizer parity table profile pdl wide prefill types)
declare -A limits=([versions]=10 [build]=200 [small]=15 [ceilings]=30 [units]=60 [sanitizer]=70 [parity]=50 [table]=60
  [profile]=30 [pdl]=45 [wide]=70 [prefill]=45 [types]=70)
deps=build/gpu_deps

# absolute PATH: the caller's, not one from this folder.
absolute() { (cd "$start" && realpath -m -- "$1"); }

# Where the toolkit's and the driver's programs may be that are not on PATH.
export PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer:/usr/local/nvidia/bin

# Folders of CUDA's libraries, a colon between: that of the kit, the toolkit's, then those that came with Python's packages,
# as cuBLASLt does where only the compiler was installed: those for CUDA 13 have one folder, earlier ones one for each library.
cuda_libraries() {
  python3 - "$GPU_BUILD/lib/gpt2run" "$(realpath "$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)")" <<'END'
import glob, os, sys
toolkit = os.path.dirname(os.path.dirname(sys.argv[2]))
folders = [os.path.realpath(sys.argv[1])] + glob.glob(toolkit + "/lib64") + glob.glob(toolkit + "/targets/*-linux/lib")
for path in filter(None, sys.path):
    folders += glob.glob(path + "/nvidia/cu[0-9]*/lib") + glob.glob(path + "/nvidia/cublas/lib")
print(":".join(dict.fromkeys(folders)))
END
}

# fact NAME VALUE: a line of what is known of this machine.
fact() { printf '%s\t%s\n' "$1" "$2" >>"$GPU_WORK/versions.tsv"; }

# check_cmake: the build's own word about an old CMake comes late.
check_cmake() {
  local least found
  least=$(sed -n 's/^cmake_minimum_required(VERSION \(.*\))$/\1/p' CMakeLists.txt)
  found=$(cmake --version | sed -n '1s/^cmake version //p')
  [ "$(printf '%s\n' "$least" "$found" | sort -V | head -n 1)" = "$least" ] ||
    die "expected CMake $least or newer, found ${found:-none}"
}

# list_plugins: as gpt2plugins has them; a rehearsal has a stand-in for the driver, with which CUDA's can run.
list_plugins() {
  local stub=$GPU_BUILD/tests/cuda_stub
  if [ "$GPU_MODE" = gpu ]; then
    "$GPU_BUILD/bin/gpt2plugins" list
  elif [ -e "$stub/libcuda.so.1" ]; then
    LD_PRELOAD=$stub/libcuda.so.1 LD_LIBRARY_PATH=$stub GPT2RUN_STUB_DEVICES=90 "$GPU_BUILD/bin/gpt2plugins" list
  fi
}

step_versions() {
  : >"$GPU_WORK/versions.tsv"
  fact kernel "$(uname -sr)"
  fact processors "$(nproc)"
  fact kit "$(paste -sd' ' "$GPU_BUILD/kit" 2>/dev/null || echo none)"
  fact nvcc "$(nvcc --version 2>/dev/null | grep release || echo none)"
  fact sanitizer "$(compute-sanitizer --version 2>/dev/null | grep Version || echo none)"
  fact ncu "$(ncu --version 2>/dev/null | grep Version || echo none)"
  # A variable may change what the library computes (TF32, an emulation), or which device is seen.
  fact variables "$(env | grep -E '^(NVIDIA|CUBLAS|CUDA)' | sort | paste -sd' ' || true)"
  if [ "$GPU_MODE" = rehearsal ]; then
    fact gpu none
  else
    fact gpu "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
    fact libraries "${LD_LIBRARY_PATH:-}"
    nvidia-smi
    ldd "$GPU_BUILD/lib/gpt2run/gpt2run-sampler-argmax.cuda.so" || echo "no plugin to look at"
  fi
  cat "$GPU_WORK/versions.tsv"
  list_plugins | tee "$GPU_WORK/plugins.txt"
  if [ -s "$GPU_WORK/plugins.txt" ] && ! grep -qE 'argmax +cuda +yes' "$GPU_WORK/plugins.txt"; then
    echo "expected the CUDA plugins to run here"
    return 1
  fi
}

# The compute capability of the first device without its point, or what GPT2RUN_CUDA_ARCHITECTURES says.
architecture() {
  echo "${GPT2RUN_CUDA_ARCHITECTURES:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)}"
}

configure() {
  local flags=''
  check_cmake
  if ! printf '#include <cublasLt.h>\n#include <nvtx3/nvToolsExt.h>\n' | nvcc -x cu -E - >/dev/null 2>&1; then
    echo "the toolkit lacks headers of cuBLASLt or NVTX: those of $deps/cuda are taken"
    flags="-I$PWD/$deps/cuda"
  fi
  cmake -S . -B "$GPU_BUILD" -G Ninja -D CMAKE_BUILD_TYPE=Release -D GPT2RUN_TESTS=ON -D GPT2RUN_CUDA=ON \
    -D GPT2RUN_MPI=OFF -D "GPT2RUN_CUDA_ARCHITECTURES=$(architecture)" -D "CMAKE_CUDA_FLAGS=$flags" \
    -D "CMAKE_PREFIX_PATH=$PWD/$deps"
}

step_ceilings() {
  if [ "$GPU_MODE" = rehearsal ]; then
    echo "skipped: the executor has no speed"
    return 77
  fi
  rm -f "$GPU_WORK/ceilings.json"
  "$GPU_BUILD/bin/cuda_ceilings" >"$GPU_WORK/ceilings.new"
  mv "$GPU_WORK/ceilings.new" "$GPU_WORK/ceilings.json"
  cat "$GPU_WORK/ceilings.json"
}

step_build() {
  if [ "$GPU_MODE" = rehearsal ]; then
    echo "skipped: the rehearsal takes $GPU_BUILD"
    return 77
  fi
  configure
  # What can be built is built, whatever else fails.
  cmake --build "$GPU_BUILD" --parallel "$(nproc)" --target gpu_check -- -k 0
}

# check_plugin FILE: the conformance kit on a plugin, which has not passed where it could not run.
check_plugin() {
  echo "-- ${1##*/}"
  timeout --foreground -k 5 "$((30 * GPU_PATIENCE))" "$GPU_BUILD/bin/gpt2run-plugin-check" "$1" >"$GPU_WORK/units.log" 2>&1 ||
    { cat "$GPU_WORK/units.log"; return 1; }
  if grep '^# skipped: ' "$GPU_WORK/units.log"; then return 1; fi
  tail -n 1 "$GPU_WORK/units.log"
}

# run_test PROGRAM FILTER: of GoogleTest; a test that is skipped has not passed.
run_test() {
  "$GPU_BUILD/bin/$1" "--gtest_filter=$2" 2>&1 | tee "$GPU_WORK/test.log" || return 1
  if grep -q 'SKIPPED' "$GPU_WORK/test.log"; then
    echo "expected every test to run here, found skipped ones"
    return 1
  fi
}

# The conformance kit on the device's plugins and the tests of the library and the kernels, on a small model. The precisions
# come first: where one of them fails, the rest says little.
step_units() {
  local file failed=0 found=0
  local plugins=("$GPU_BUILD"/lib/gpt2run/gpt2run-precision-*.cuda.so "$GPU_BUILD"/lib/gpt2run/gpt2run-sampler-*.cuda.so)
  if [ "$GPU_MODE" = rehearsal ]; then plugins=("$GPU_BUILD"/tests/cuda/gpt2run-sampler-{argmax,top-k}.test.so); fi
  if [ "$GPU_MODE" = gpu ]; then run_test test_cuda_gemm '*OnADevice*' || failed=1; fi
  run_test test_cuda_gpu "$([ "$GPU_MODE" = gpu ] && echo '*' || echo '*EveryRunHasTheSameBits/fp32')" || failed=1
  for file in "${plugins[@]}"; do
    [ -e "$file" ] || continue
    found=1
    check_plugin "$file" || failed=1
  done
  [ "$found" -eq 1 ] || { echo "expected CUDA plugins in $GPU_BUILD/lib/gpt2run, found none"; failed=1; }
  return "$failed"
}

# tokens_of PRECISION SAMPLER: of two sequences that a small model writes. The long prompt and heads of 64 take the kernels
# of many rows, cuBLASLt and the fast attention, too.
tokens_of() {
  "${GPU_TOOL[@]}" "$GPU_PROGRAMS/gpt2run" -q --model synthetic:L=2,C=128,H=2,F=96,V=151,T=64 --precision "$1" \
    --sampler "$2" --tokens "1 2 3 4 5 6 7 8 9 10 11 12" --tokens "4 5" --batch 2 -n 20 --sink tokens
}

# Each type beside the CPU's tokens; a fault names its kernel.
step_small() {
  local type failed=0
  GPU_TOOL=(env CUDA_LAUNCH_BLOCKING=1)
  for type in fp32 fp16 bf16; do
    tokens_of "cuda-$type" device-argmax >"$GPU_WORK/small.cuda" || failed=1
    tokens_of "cpu-$type" argmax >"$GPU_WORK/small.cpu" || failed=1
    if cmp -s "$GPU_WORK/small.cuda" "$GPU_WORK/small.cpu"; then
      echo "cuda-$type: the tokens of cpu-$type"
    else
      echo "cuda-$type: other tokens than cpu-$type:"
      diff "$GPU_WORK/small.cuda" "$GPU_WORK/small.cpu" || failed=1
    fi
  done
  return "$failed"
}

# What a kernel of the library does in its own shared memory is not ours to judge.
step_sanitizer() {
  local tool failed=0
  if [ "$GPU_MODE" = gpu ] && ! command -v compute-sanitizer; then
    echo "skipped: there is no compute-sanitizer"
    return 77
  fi
  for tool in memcheck racecheck; do
    GPU_TOOL=(timeout --foreground -k 5 33 compute-sanitizer --tool "$tool" --error-exitcode 9
      --ignore-getprocaddress-notfound)
    if [ "$tool" = racecheck ]; then GPU_TOOL+=(--kernel-name kernel_substring=gpt2run); fi
    if [ "$GPU_MODE" = rehearsal ]; then GPU_TOOL=(env); fi
    echo "-- $tool, cuda-fp16"
    tokens_of cuda-fp16 device-repetition-penalty,device-nucleus 2>&1 | tee "$GPU_WORK/sanitizer.log" || failed=1
    if grep -q 'Device not supported' "$GPU_WORK/sanitizer.log"; then
      echo "skipped: compute-sanitizer cannot watch this device"
      return 77
    fi
  done
  return "$failed"
}

step_parity() {
  if [ "$GPU_MODE" = rehearsal ]; then
    run_test test_cuda_gpu '*LogitsAreTheHosts*'
    return
  fi
  GPT2RUN_GPU_MODEL=synthetic:124M run_test test_cuda_gpu '*'
}

# measure PART MODEL PRECISION SAMPLER DECODES: cells of a table, kept as PART and printed.
measure() {
  local tokens=32 rounds=3
  if [ "$GPU_MODE" = rehearsal ]; then tokens=2 rounds=1; fi
  echo "-- $1: $2, $3, $4, $5"
  # In the foreground: the end of the step is its end, too.
  timeout --foreground -k 5 "$((40 * GPU_PATIENCE))" "$GPU_PROGRAMS/gpt2bench" -q --model "synthetic:$2" --precision "$3" --sampler "device-$4" \
    --decode "$5" --new_tokens "$tokens" --repetitions "$rounds" --threads 0 --json "$GPU_WORK/$1.json" >/dev/null || return 1
  python3 -B scripts/gpu_table.py "$GPU_WORK" "$1"
}

# The names of the models in the tables, and what the loader synthetic makes them of.
name_models() {
  names=(124M 1558M) specs=(124M 1558M)
  if [ "$GPU_MODE" = rehearsal ]; then
    names=(small large) specs=("L=1,C=16,H=1,F=16,V=20,T=16" "L=2,C=32,H=2,F=32,V=20,T=16")
  fi
}

# The default sampler beside argmax, in FP16.
step_table() {
  local sampler i failed=0 cells=64x1,1024x1,1024x8 names specs
  if [ "$GPU_MODE" = rehearsal ]; then cells=4x1,8x1,8x8; fi
  name_models
  rm -f "$GPU_WORK"/part-*-fp16-{argmax,nucleus}.json
  for i in 0 1; do
    for sampler in argmax nucleus; do
      measure "part-${names[i]}-fp16-$sampler" "${specs[i]}" cuda-fp16 "$sampler" "$cells" || failed=1
    done
  done
  return "$failed"
}

# Many sequences, which go through cuBLASLt.
step_wide() {
  local i failed=0 cells=64x64,1024x64 names specs
  if [ "$GPU_MODE" = rehearsal ]; then cells=8x64; fi
  name_models
  rm -f "$GPU_WORK"/part-*-wide.json
  for i in 0 1; do
    measure "part-${names[i]}-fp16-argmax-wide" "${specs[i]}" cuda-fp16 argmax "$cells" || failed=1
  done
  return "$failed"
}

# The other types.
step_types() {
  local type i failed=0 cells=1024x1,1024x8 names specs
  if [ "$GPU_MODE" = rehearsal ]; then cells=8x1; fi
  name_models
  rm -f "$GPU_WORK"/part-*-{bf16,fp32}-argmax.json
  for i in 0 1; do
    for type in bf16 fp32; do
      measure "part-${names[i]}-$type-argmax" "${specs[i]}" "cuda-$type" argmax "$cells" || failed=1
    done
  done
  return "$failed"
}

# Programmatic dependent launch off and on, where the precision has the option.
step_pdl() {
  local i failed=0 cells=64x1,1024x1 names specs
  if [ "$GPU_MODE" = rehearsal ]; then cells=8x1; fi
  if ! "$GPU_PROGRAMS/gpt2plugins" show cuda-fp16 | grep -qw pdl; then
    echo "skipped: cuda-fp16 has no option pdl"
    return 77
  fi
  name_models
  rm -f "$GPU_WORK"/pdl-*.json
  for i in 0 1; do
    measure "pdl-${names[i]}" "${specs[i]}" cuda-fp16:pdl=off,cuda-fp16:pdl=on argmax "$cells" || failed=1
  done
  return "$failed"
}

# Some forty kernels of a decode step: time, bytes from memory, and what warps wait for.
step_profile() {
  if [ "$GPU_MODE" = rehearsal ] || ! command -v ncu; then
    echo "skipped: there is no ncu"
    return 77
  fi
  local metrics=gpu__time_duration.sum,dram__bytes_read.sum,sm__warps_active.avg.pct_of_peak_sustained_active
  metrics+=,smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio
  metrics+=,smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio
  # The clocks stay as they are. The prompt's step comes first, with as many of these kernels as a step that decodes.
  timeout --foreground -k 5 28 ncu --clock-control none --csv --metrics "$metrics" \
    --kernel-name 'regex:product_kernel|logits_kernel|attention_kernel|argmax_kernel' --launch-skip 62 --launch-count 40 \
    "$GPU_PROGRAMS/gpt2run" -q --model synthetic:124M --precision cuda-fp16 --sampler device-argmax --tokens "1 2 3" -n 4 \
    --sink tokens >"$GPU_WORK/profile.csv" 2>&1 || { cat "$GPU_WORK/profile.csv"; return 1; }
  python3 -B scripts/gpu_table.py "$GPU_WORK" profile
}

# A long prompt with each epilogue, which take turns.
step_prefill() {
  local i failed=0 prompt=1023 passes=5 names specs
  if [ "$GPU_MODE" = rehearsal ]; then prompt=12 passes=1; fi
  name_models
  rm -f "$GPU_WORK"/prefill-*.json
  for i in 0 1; do
    echo "-- ${names[i]}, cuda-fp16, a prompt of $prompt"
    timeout --foreground -k 5 "$((30 * GPU_PATIENCE))" "$GPU_PROGRAMS/gpt2bench" -q --model "synthetic:${specs[i]}" \
      --precision cuda-fp16,cuda-fp16:epilogue=fused --prompt_tokens "$prompt" --new_tokens 1 --batch 1 \
      --repetitions 1 --passes "$passes" --threads 0 --json "$GPU_WORK/prefill-${names[i]}-fp16.json" || failed=1
  done
  return "$failed"
}

# A tree of programs and plugins like an installed one, with the executor's plugins in place of CUDA's.
stage_executor() {
  local stage=$GPU_WORK/stage file
  mkdir -p "$stage/bin" "$stage/lib/gpt2run"
  cp "$GPU_BUILD"/bin/{gpt2run,gpt2bench,gpt2plugins} "$stage/bin"
  for file in "$GPU_BUILD"/lib/gpt2run/*.so "$GPU_BUILD"/tests/cuda/*.test.so; do
    case $file in *.cuda.so) ;; *) ln -sf "$(realpath "$file")" "$stage/lib/gpt2run" ;; esac
  done
  GPU_PROGRAMS=$stage/bin
}

# note NAME STATUS SECONDS LIMIT: the step's line, in place of an earlier one.
note() {
  touch "$GPU_WORK/steps.tsv"
  grep -v "^$1"$'\t' "$GPU_WORK/steps.tsv" >"$GPU_WORK/steps.new" || true
  printf '%s\t%s\t%s\t%s\n' "$@" >>"$GPU_WORK/steps.new"
  mv "$GPU_WORK/steps.new" "$GPU_WORK/steps.tsv"
}

# run_step NAME: with its limit, or what is left of the whole time; its words go to the log, its result to steps.tsv.
run_step() {
  local name=$1 begin=$SECONDS limit=${limits[$1]} code=0 status=passed words
  if [ $((most_seconds - SECONDS)) -lt "$limit" ]; then limit=$((most_seconds - SECONDS)); fi
  if [ "$limit" -lt 5 ]; then
    note "$name" "FAILED: no time left" 0 "${limits[$name]}"
    return 1
  fi
  say "$name, at most $limit s"
  exec {words}> >(exec tee -a "$log")
  timeout -k 5 "$limit" bash "${BASH_SOURCE[0]}" step "$name" </dev/null >&"$words" 2>&1 || code=$?
  exec {words}>&-
  # Until tee has written all of it; what outlives its step and holds the pipe open is not waited for.
  timeout 3 tail -s 0.1 --pid=$! -f /dev/null || true
  case $code in
    0) ;;
    77) status=skipped ;;
    124 | 137) status="FAILED: over its limit" ;;
    *) status="FAILED: exit code $code" ;;
  esac
  note "$name" "$status" "$((SECONDS - begin))" "$limit"
  say "$name: $status, $((SECONDS - begin)) s"
  case $status in FAILED*) return 1 ;; esac
}

# keep_results: GPU_WORK is a folder that outlives the call, emptied when it tells of another device.
keep_results() {
  local device
  device=$(nvidia-smi --query-gpu=name,uuid,driver_version --format=csv,noheader | head -n 1)
  GPU_WORK=$GPU_BUILD/results
  if [ "$(cat "$GPU_WORK/device" 2>/dev/null)" != "$device" ]; then rm -rf "$GPU_WORK"; fi
  mkdir -p "$GPU_WORK"
  GPU_WORK=$(realpath "$GPU_WORK")
  printf '%s\n' "$device" >"$GPU_WORK/device"
}

if [ "${1:-}" = step ] && [ -n "${GPU_WORK:-}" ]; then
  # One step of the script that started this one, which exported all GPU_ names.
  case $2 in
    versions) step_versions ;;
    build) step_build ;;
    small) step_small ;;
    ceilings) step_ceilings ;;
    units) step_units ;;
    sanitizer) step_sanitizer ;;
    parity) step_parity ;;
    table) step_table ;;
    profile) step_profile ;;
    pdl) step_pdl ;;
    wide) step_wide ;;
    prefill) step_prefill ;;
    types) step_types ;;
  esac
  exit
fi

SECONDS=0
GPU_MODE=gpu GPU_BUILD='' out=build/gpu_check
if [ "${1:-}" = rehearse ]; then
  [ -n "${2:-}" ] || usage_error "expected rehearse BUILD; --help shows the usage"
  GPU_MODE=rehearsal GPU_BUILD=$(absolute "$2") out=build/gpu_rehearsal
  shift 2
fi
most_seconds=580
case $#:${1:-} in
  0:) steps=("${all_steps[@]}") ;;
  1:first) steps=("${first[@]}") most_seconds=330 ;;
  1:second) steps=("${second[@]}") most_seconds=300 ;;
  *) steps=("$@") ;;
esac
GPU_PATIENCE=1
if [ "$GPU_MODE" = rehearsal ]; then GPU_PATIENCE=6; fi  # the executor is slow, and the processor may be busy
for name in "${!limits[@]}"; do limits[$name]=$((limits[$name] * GPU_PATIENCE)); done
most_seconds=$((most_seconds * GPU_PATIENCE))
most_seconds=${GPT2RUN_GPU_SECONDS:-$most_seconds}
building=''
for name in "${steps[@]}"; do
  case $name in
    -h | --help)
      usage
      exit 0
      ;;
    -*) usage_error "unknown option '$name'; --help shows the usage" ;;
    build) building=yes ;;
  esac
  [ -n "${name:+${limits[$name]:-}}" ] || usage_error "unknown step '$name': expected first, second or ${all_steps[*]}"
done
if [ "$GPU_MODE" = rehearsal ] && [ ! -x "$GPU_BUILD/bin/test_cuda_gpu" ]; then
  die "$GPU_BUILD holds no built tests: cmake --preset release -D GPT2RUN_TESTS=ON && ninja -C build/release gpu_check"
fi
if [ "$GPU_MODE" = gpu ]; then
  timeout 60 nvidia-smi -L >/dev/null 2>&1 || die "no GPU here: nvidia-smi names none; scripts/gpu_check.sh rehearse BUILD needs none"
  GPU_BUILD=build/gpu
  if [ -z "$building" ] && [ -e build/gpu_kit/kit ]; then GPU_BUILD=build/gpu_kit; fi
  GPU_BUILD=${GPT2RUN_GPU_BUILD:-$GPU_BUILD}
fi
tools=(python3 timeout)
if [ -n "$building" ] && [ "$GPU_MODE" = gpu ]; then tools+=(cmake ninja c++ nvcc); fi
for tool in "${tools[@]}"; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done

if [ -n "${OUT:-}" ]; then out=$(absolute "$OUT"); fi
mkdir -p "$out"
out=$(realpath "$out") log=$out/gpu_check.log
GPU_PROGRAMS=$GPU_BUILD/bin
if [ "$GPU_MODE" = rehearsal ]; then
  GPU_WORK=$(mktemp -d)
  trap 'rm -rf "$GPU_WORK"' EXIT
  stage_executor
  export GPT2RUN_GPU_SPACE='test'
else
  keep_results
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(cuda_libraries)
  GPT2RUN_TEST_PLUGINS=$(realpath -m "$GPU_BUILD/lib/gpt2run")
  export LD_LIBRARY_PATH GPT2RUN_TEST_PLUGINS
fi
export GPU_MODE GPU_BUILD GPU_WORK GPU_PROGRAMS GPU_PATIENCE
printf '%s\n' "$GPU_MODE" >"$GPU_WORK/mode"
printf '==== %s, %s: %s\n' "$(date -u '+%F %T')" "$GPU_MODE" "${steps[*]}" >>"$log"
failed=0
for name in "${steps[@]}"; do
  run_step "$name" || failed=1
  python3 -B scripts/gpu_table.py "$GPU_WORK" "$out/gpu_check.json" || failed=1
done
say "$out/gpu_check.json, $out/gpu_check.log"
python3 -B scripts/gpu_table.py "$GPU_WORK" | tee -a "$log"
exit "$failed"
