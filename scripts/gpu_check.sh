#!/usr/bin/env bash
# Everything that needs a GPU, in one call or several: limits of the device, build, tests, parity with the host and a
# table of speeds. The machine needs nvcc, a C++ compiler, CMake, Ninja and python3, and no network: what else the
# build needs is taken from build/gpu_deps (scripts/gpu_pack.sh) where that folder is.
#   scripts/gpu_check.sh [STEP...]                  all steps or those named: versions build ceilings units parity
#                                                   sanitizer table prefill
#   scripts/gpu_check.sh rehearse BUILD [STEP...]   the same on the CPU executor, small, with a build that has tests
# Every step has a time limit of its own and none stops the others. After each, gpu_check.json in $OUT (else
# build/gpu_check, of a rehearsal build/gpu_rehearsal) holds all that is known; of a step that is left out, what an earlier
# call found on the same device. gpu_check.log there is added to. The last lines are the table. Exit code 1 when a step
# failed.
# In the environment: GPT2RUN_CUDA_ARCHITECTURES in place of the device's; GPT2RUN_GPU_BUILD, else build/gpu;
# GPT2RUN_GPU_SECONDS of all steps together, else 580, which is a call on a lent machine: 1500 is enough for all steps.
set -euo pipefail
start=$PWD
umask 022  # plugins that everyone can write are refused
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

all_steps=(versions build ceilings units parity sanitizer table prefill)
most_seconds=${GPT2RUN_GPU_SECONDS:-580}
declare -A limits=([versions]=30 [build]=200 [ceilings]=60 [units]=100 [parity]=130 [sanitizer]=180 [table]=260
  [prefill]=90)
deps=build/gpu_deps

# absolute PATH: the caller's, not one from this folder.
absolute() { (cd "$start" && realpath -m -- "$1"); }

# Where the toolkit's and the driver's programs may be that are not on PATH.
export PATH=$PATH:/usr/local/cuda/bin:/usr/local/cuda/compute-sanitizer:/usr/local/nvidia/bin

# Folders of CUDA's libraries, a colon between: the toolkit's, then those that came with Python's packages, as cuBLASLt
# does where only the compiler was installed: those for CUDA 13 have one folder, earlier ones one for each library.
cuda_libraries() {
  local toolkit
  toolkit=$(dirname "$(dirname "$(realpath "$(command -v nvcc)")")")
  python3 - "$toolkit" <<'END'
import glob, sys
folders = glob.glob(sys.argv[1] + "/lib64") + glob.glob(sys.argv[1] + "/targets/*-linux/lib")
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

step_versions() {
  : >"$GPU_WORK/versions.tsv"
  fact kernel "$(uname -sr)"
  fact processors "$(nproc)"
  fact compiler "$(c++ --version | head -n 1)"
  fact cmake "$(cmake --version | head -n 1)"
  fact nvcc "$(nvcc --version 2>/dev/null | grep release || echo none)"
  fact sanitizer "$(compute-sanitizer --version 2>/dev/null | grep Version || echo none)"
  if [ "$GPU_MODE" = rehearsal ]; then
    fact gpu none
  else
    fact gpu "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader | head -n 1)"
    fact libraries "${LD_LIBRARY_PATH:-}"
    nvidia-smi
  fi
  cat "$GPU_WORK/versions.tsv"
  check_cmake
}

# The compute capability of the first device without its point, or what GPT2RUN_CUDA_ARCHITECTURES says.
architecture() {
  echo "${GPT2RUN_CUDA_ARCHITECTURES:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -n 1 | tr -d .)}"
}

configure() {
  local flags=''
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

# What a build's own tests say of the device's plugins.
step_units() {
  "$GPU_BUILD/bin/gpt2plugins" list
  # From a folder of its own: a ctest that runs the rehearsal keeps its log.
  mkdir -p "$GPU_WORK/units"
  printf 'subdirs("%s")\n' "$(realpath "$GPU_BUILD")" >"$GPU_WORK/units/CTestTestfile.cmake"
  ctest --test-dir "$GPU_WORK/units" --no-tests=error --output-on-failure --timeout 60 -R '^gpu\.|^conformance\..*\.cuda$' 2>&1 |
    tee "$GPU_WORK/units.log"
  if [ "$GPU_MODE" = gpu ] && grep -q '\*\*\*Skipped' "$GPU_WORK/units.log"; then
    echo "expected every test to run here, found skipped ones"
    return 1
  fi
}

# run_small TYPE: prints the tokens of two sequences, through samplers, recorded. The long prompt and heads of 64 take the
# kernels of many rows, cuBLASLt and the fast attention, too.
run_small() {
  "${GPU_TOOL[@]}" "$GPU_PROGRAMS/gpt2run" -q --model synthetic:L=2,C=128,H=2,F=96,V=151,T=64 \
    --precision "cuda-$1" --sampler device-repetition-penalty,device-nucleus --tokens "1 2 3 4 5 6 7 8 9 10 11 12" --tokens "4 5" \
    --batch 2 -n 20 --sink tokens
}

# What a kernel of the library does in its own shared memory is not ours to judge.
step_sanitizer() {
  local type tool failed=0
  if [ "$GPU_MODE" = gpu ] && ! command -v compute-sanitizer; then
    echo "skipped: there is no compute-sanitizer"
    return 77
  fi
  for type in fp32 fp16 bf16 fp16:epilogue=fused; do
    for tool in memcheck racecheck; do
      GPU_TOOL=(timeout --foreground -k 5 60 compute-sanitizer --tool "$tool" --error-exitcode 9
        --ignore-getprocaddress-notfound)
      if [ "$tool" = racecheck ]; then GPU_TOOL+=(--kernel-name kernel_substring=gpt2run); fi
      if [ "$GPU_MODE" = rehearsal ]; then GPU_TOOL=(env); fi
      echo "-- $tool, cuda-$type"
      run_small "$type" 2>&1 | tee "$GPU_WORK/sanitizer.log" || failed=1
      if grep -q 'Device not supported' "$GPU_WORK/sanitizer.log"; then
        echo "skipped: compute-sanitizer cannot watch this device"
        return 77
      fi
    done
  done
  return "$failed"
}

step_parity() {
  if [ "$GPU_MODE" = rehearsal ]; then
    GPT2RUN_GPU_SPACE='test' "$GPU_BUILD/bin/test_cuda_gpu" --gtest_filter='*LogitsAreTheHosts*'
    return
  fi
  # A device that cannot be used is no parity.
  GPT2RUN_GPU_MODEL=synthetic:124M "$GPU_BUILD/bin/test_cuda_gpu" 2>&1 | tee "$GPU_WORK/parity.log"
  if grep -q SKIPPED "$GPU_WORK/parity.log"; then return 1; fi
}

# measure NAME MODEL TYPE DECODES NEW_TOKENS REPETITIONS: a part of the table.
measure() {
  local part=$GPU_WORK/part-$1-$3.json
  echo "-- $1, cuda-$3"
  # In the foreground: the end of the step is its end, too.
  timeout --foreground -k 5 75 "$GPU_PROGRAMS/gpt2bench" -q --model "$2" --precision "cuda-$3" --decode "$4" --new_tokens "$5" \
    --repetitions "$6" --threads 0 --json "$part"
}

# The names of the models in the tables, and what the loader synthetic makes them of.
name_models() {
  names=(124M 1558M) specs=(124M 1558M)
  if [ "$GPU_MODE" = rehearsal ]; then
    names=(small large) specs=("L=1,C=16,H=1,F=16,V=20,T=16" "L=2,C=32,H=2,F=32,V=20,T=16")
  fi
}

step_table() {
  local type i failed=0 tokens=32 rounds=3 cells=64x1,64x8,64x64,1024x1,1024x8,1024x64 names specs
  if [ "$GPU_MODE" = rehearsal ]; then tokens=2 rounds=1 cells=4x1,4x8,8x1,8x8; fi
  name_models
  rm -f "$GPU_WORK"/part-*.json
  for i in 0 1; do
    for type in fp16 bf16 fp32; do
      measure "${names[i]}" "synthetic:${specs[i]}" "$type" "$cells" "$tokens" "$rounds" || failed=1
    done
  done
  return "$failed"
}

# A long prompt with each epilogue, which take turns.
step_prefill() {
  local type i failed=0 prompt=512 rounds=2 passes=5 names specs
  if [ "$GPU_MODE" = rehearsal ]; then prompt=12 rounds=1 passes=1; fi
  name_models
  rm -f "$GPU_WORK"/prefill-*.json
  for i in 0 1; do
    for type in fp16 bf16; do
      echo "-- ${names[i]}, cuda-$type, a prompt of $prompt"
      timeout --foreground -k 5 40 "$GPU_PROGRAMS/gpt2bench" -q --model "synthetic:${specs[i]}" \
        --precision "cuda-$type,cuda-$type:epilogue=fused" --prompt_tokens "$prompt" --new_tokens 1 --batch 1 \
        --repetitions "$rounds" --passes "$passes" --threads 0 --json "$GPU_WORK/prefill-${names[i]}-$type.json" ||
        failed=1
    done
  done
  return "$failed"
}

# A tree of programs and plugins like an installed one, with the executor's plugins in place of CUDA's.
stage_executor() {
  local stage=$GPU_WORK/stage file
  mkdir -p "$stage/bin" "$stage/lib/gpt2run"
  cp "$GPU_BUILD/bin/gpt2run" "$GPU_BUILD/bin/gpt2bench" "$stage/bin"
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
    ceilings) step_ceilings ;;
    build) step_build ;;
    units) step_units ;;
    sanitizer) step_sanitizer ;;
    parity) step_parity ;;
    table) step_table ;;
    prefill) step_prefill ;;
  esac
  exit
fi

SECONDS=0
GPU_MODE=gpu GPU_BUILD=${GPT2RUN_GPU_BUILD:-build/gpu} out=build/gpu_check
if [ "${1:-}" = rehearse ]; then
  [ -n "${2:-}" ] || usage_error "expected rehearse BUILD; --help shows the usage"
  GPU_MODE=rehearsal GPU_BUILD=$(absolute "$2") out=build/gpu_rehearsal
  shift 2
fi
steps=("$@")
[ $# -gt 0 ] || steps=("${all_steps[@]}")
for name in "${steps[@]}"; do
  case $name in
    -h | --help)
      usage
      exit 0
      ;;
    -*) usage_error "unknown option '$name'; --help shows the usage" ;;
  esac
  [ -n "${name:+${limits[$name]:-}}" ] || usage_error "unknown step '$name': expected ${all_steps[*]}"
done
if [ "$GPU_MODE" = rehearsal ] && [ ! -x "$GPU_BUILD/bin/test_cuda_gpu" ]; then
  die "$GPU_BUILD holds no built tests: cmake --preset release -D GPT2RUN_TESTS=ON && ninja -C build/release gpu_check"
fi
for tool in cmake ninja c++ python3 timeout; do
  command -v "$tool" >/dev/null || die "$tool is missing"
done
if [ "$GPU_MODE" = gpu ]; then
  command -v nvcc >/dev/null || die "nvcc is missing: this needs the CUDA toolkit; scripts/gpu_check.sh rehearse BUILD does not"
  timeout 60 nvidia-smi -L >/dev/null 2>&1 || die "no GPU here: nvidia-smi names none; scripts/gpu_check.sh rehearse BUILD needs none"
fi

if [ -n "${OUT:-}" ]; then out=$(absolute "$OUT"); fi
mkdir -p "$out"
out=$(realpath "$out") log=$out/gpu_check.log
GPU_PROGRAMS=$GPU_BUILD/bin
if [ "$GPU_MODE" = rehearsal ]; then
  GPU_WORK=$(mktemp -d)
  trap 'rm -rf "$GPU_WORK"' EXIT
  stage_executor
else
  keep_results
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$(cuda_libraries)
  export LD_LIBRARY_PATH
fi
export GPU_MODE GPU_BUILD GPU_WORK GPU_PROGRAMS
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
