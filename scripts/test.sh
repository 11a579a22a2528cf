#!/usr/bin/env bash
# Runs the tests: installs what is missing, builds a release and tests it, breaks the code in one place and expects a test
# to turn red, then builds and tests once more by clang++ under AddressSanitizer and UndefinedBehaviorSanitizer, and
# fuzzes every reader of foreign bytes for 5 seconds. Tests labelled `thorough` are left to scripts/test_all.sh, and of
# each group that takes turns one runs.
#   scripts/test.sh          all of it
#   scripts/test.sh fast     the release tests labelled `fast`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

if asks_for_help "$@"; then
  usage
  exit
fi
[ $# -le 1 ] || usage_error "expected one argument at most, found $#"
case ${1-all} in
  all | fast) mode=${1-all} ;;
  *) usage_error "unknown argument '$1': expected nothing or fast; --help shows the usage" ;;
esac

# run_tests PRESET [CTEST ARGUMENT...]: adds to the arrays of the summary; never ends the script.
summary=()
failed=0
run_tests() {
  local preset=$1 log=build/$1/Testing/Temporary/LastTest.log result=passed skipped count
  shift
  run_ctest "$preset" "$@" || { result=FAILED; failed=1; }
  skipped=$(skipped_tests "$log")
  count=$(grep -c . <<<"$skipped" || true)
  [ -z "$skipped" ] || printf '%s\n' "$skipped"
  summary+=("$preset: $result, $(grep -c '^Test time = ' "$log" || true) programs, $count tests skipped")
}

# name_left_out_of_asan: tests that mean nothing under the sanitizers, and those that take too long there.
name_left_out_of_asan() {
  ctest --test-dir build/asan -N -L release-only | sed -n 's/^ *Test *#[0-9]*: /   not run under sanitizers: /p'
  ctest --test-dir build/asan -N -L thorough -LE release-only |
    sed -n 's|^ *Test *#[0-9]*: |   left to scripts/test_all.sh sanitizers: |p'
  echo '   left to scripts/test_all.sh sanitizers: the CUDA plugins on the executor'
}

# begin NAME: what takes time begins here; its seconds stand in the summary.
stages=()
stage=
began=0
begin() {
  [ -z "$stage" ] || stages+=("$stage $((SECONDS - began)) s")
  stage=$1 began=$SECONDS
  [ -z "$stage" ] || say "$stage"
}

SECONDS=0
# Tests that run a part of many random cases begin with another one for each commit.
GPT2RUN_FIRST_SCHEDULE=$(($(number_of_commit) % 1000))
export GPT2RUN_FIRST_SCHEDULE
install_missing test
install_kernel_tools

begin "building build/release"
build release -D GPT2RUN_TESTS=ON
if [ "$mode" = fast ]; then
  begin "fast tests of build/release"
  run_tests release -L fast
else
  begin "tests of build/release"
  left_out="thorough|turn-[^$(($(number_of_commit) % 3))]"
  ctest --test-dir build/release -N -L "$left_out" |
    sed -n 's|^ *Test *#[0-9]*: |   left to scripts/test_all.sh thorough: |p'
  run_tests release -LE "$left_out"
  begin "a mutation"
  result='red'
  scripts/run_mutations.sh --some 1 >&2 </dev/null || { result=FAILED; failed=1; }
  summary+=("mutation: $result")
  install_missing clang
  begin "building build/asan"
  build asan -D GPT2RUN_TESTS=ON -D GPT2RUN_SANITIZED_EXECUTOR=OFF
  begin "tests of build/asan"
  name_left_out_of_asan
  export UBSAN_OPTIONS=print_stacktrace=1
  run_tests asan -LE "release-only|thorough"
  begin "fuzzing"
  result='nothing found'
  scripts/fuzz.sh --ci </dev/null || { result=FAILED; failed=1; }
  summary+=("fuzzing: $result")
fi
begin ''

say "summary, $((SECONDS / 60)) min $((SECONDS % 60)) s"
printf '   %s\n' "${summary[@]}" "${stages[@]}"
exit "$failed"
