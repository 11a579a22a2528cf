#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, runs
# them in turn, and prints a table of what they did.
#   scripts/fuzz.sh MINUTES [TARGET...]   all targets, or some, each for MINUTES / their number
#   scripts/fuzz.sh --ci [TARGET...]      each for 5 seconds
# The inputs that reach new code stay in build/fuzz/corpus, so that the next run goes on from there. An input that makes
# a target fail is kept in build/fuzz/findings: the status is 1 then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
  '') usage_error "expected minutes or --ci; --help shows the usage" ;;
  --ci) total= ;;
  *[!0-9]* | 0) usage_error "expected whole minutes, found '$1'" ;;
  *) total=$((10#$1 * 60)) ;;
esac
shift

all=()
for source in tests/fuzz/targets/*.cpp; do
  name=${source##*/}
  all+=("${name%.cpp}")
done
[ $# -gt 0 ] || set -- "${all[@]}"
for target in "$@"; do
  [[ " ${all[*]} " == *" $target "* ]] || usage_error "unknown target '$target': expected one of ${all[*]}"
done
seconds=5
if [ -n "$total" ]; then seconds=$((total / $#)); fi
[ "$seconds" -gt 0 ] || seconds=1

install_missing demo
install_missing clang
say "building build/fuzz"
build fuzz -D GPT2RUN_TESTS=OFF -- "${@/#/fuzz_}"

# Where the targets put their files; libFuzzer leaves them there.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -B tests/fuzz/seeds.py "$scratch/seeds"

# run_target NAME: sets `executions` and `result`.
run_target() {
  local corpus=build/fuzz/corpus/$1 findings=build/fuzz/findings/$1 log=build/fuzz/$1.log
  local folders=("$corpus" "$scratch/seeds/$1")
  if [ -d "tests/fuzz/regressions/$1" ]; then folders+=("tests/fuzz/regressions/$1"); fi
  mkdir -p "$corpus" "$findings" "$scratch/files"
  result=0
  TMPDIR=$scratch/files UBSAN_OPTIONS=print_stacktrace=1 nice -n 19 "build/fuzz/bin/fuzz_$1" "${folders[@]}" \
    -max_total_time="$seconds" -max_len=40000 -timeout=20 -rss_limit_mb=2560 -malloc_limit_mb=2048 \
    -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=1 >"$log" 2>&1 </dev/null || result=FAILED
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  [ -n "$executions" ] || executions=$(sed -n 's/^#\([0-9]*\).*/\1/p' "$log" | tail -1)
  rm -rf "$scratch/files"
  [ "$result" = 0 ] || tail -n 30 "$log" >&2
}

say "$# targets, $seconds s each"
failed=0
sum=0
printf '%-16s %12s  %s\n' target executions findings
for target in "$@"; do
  run_target "$target"
  printf '%-16s %12s  %s\n' "$target" "${executions:-0}" "$result"
  sum=$((sum + ${executions:-0}))
  [ "$result" = 0 ] || failed=1
done
printf '%-16s %12s\n' all "$sum"
exit "$failed"
