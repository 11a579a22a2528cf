#!/usr/bin/env bash
# Builds the fuzz targets of tests/fuzz with clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer, runs
# as many at a time as there are processors, and prints a table of what they did.
#   scripts/fuzz.sh MINUTES [TARGET...]   all targets, or some, in about this time, the same for each
#   scripts/fuzz.sh --ci [TARGET...]      each for 5 seconds
# The inputs that reach new code stay in build/fuzz/corpus, so that the next run goes on from there. An input that makes
# a target fail is kept in build/fuzz/findings: the status is 1 then.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

if asks_for_help "$@"; then
  usage
  exit
fi
case ${1-} in
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
if [ -n "$total" ]; then seconds=$((total * $(nproc) / $#)); fi
[ "$seconds" -gt 0 ] || seconds=1

install_missing demo
install_missing clang
say "building build/fuzz"
build fuzz -D GPT2RUN_TESTS=OFF -- "${@/#/fuzz_}"

# Where the targets put their files; libFuzzer leaves them there.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -B tests/fuzz/seeds.py "$scratch/seeds"

# run_target NAME: writes its line of the table, and where it fails the end of its log, to files of its name.
run_target() {
  local corpus=build/fuzz/corpus/$1 findings=build/fuzz/findings/$1 log=build/fuzz/$1.log executions result=0
  local folders=("$corpus" "$scratch/seeds/$1")
  if [ -d "tests/fuzz/regressions/$1" ]; then folders+=("tests/fuzz/regressions/$1"); fi
  mkdir -p "$corpus" "$findings" "$scratch/files/$1"
  TMPDIR=$scratch/files/$1 UBSAN_OPTIONS=print_stacktrace=1 nice -n 19 "build/fuzz/bin/fuzz_$1" "${folders[@]}" \
    -max_total_time="$seconds" -max_len=40000 -timeout=20 -rss_limit_mb=2560 -malloc_limit_mb=2048 \
    -artifact_prefix="$findings/" -print_final_stats=1 >"$log" 2>&1 </dev/null || result=FAILED
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  [ -n "$executions" ] || executions=$(sed -n 's/^#\([0-9]*\).*/\1/p' "$log" | tail -1)
  printf '%-16s %12s  %s\n' "$1" "${executions:-0}" "$result" >"$scratch/$1.row"
  rm -rf "$scratch/files/$1"
}

say "$# targets, $seconds s each"
for target in "$@"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  run_target "$target" &
done
wait

failed=0
printf '%-16s %12s  %s\n' target executions findings
for target in "$@"; do
  cat "$scratch/$target.row"
  grep -q 'FAILED$' "$scratch/$target.row" || continue
  failed=1
  tail -n 30 "build/fuzz/$target.log" >&2
done
printf '%-16s %12s\n' all "$(cat "$scratch"/*.row | awk '{ sum += $2 } END { print sum }')"
exit "$failed"
