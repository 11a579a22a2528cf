#!/usr/bin/env bash
# Shows that the tests can fail: breaks the code in one place at a time and expects a named test to turn red.
#   scripts/run_mutations.sh            all patches of scripts/mutations
#   scripts/run_mutations.sh gelu bf16  those whose names contain one of the words
#   scripts/run_mutations.sh --some 3   so many of all, chosen by the commit, so that each commit tries others
# A patch begins with what it breaks and a line `red: <test program without test_> <GoogleTest filter>`.
# Works on a copy of the working tree; the build folder there is made once and rebuilt per patch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# sources: the files of the working tree; in an archive of the sources, without git, all that is not built.
sources() {
  if [ -e .git ]; then
    git ls-files -z --cached --others --exclude-standard
  else
    find . -path ./build -prune -o -type f -print0
  fi
}
sources | while IFS= read -r -d '' file; do
  if [ -e "$file" ]; then printf '%s\0' "$file"; fi
done | xargs -0 cp --parents -t "$copy"
build=$copy/build/release

some=0
if [ "${1:-}" = --some ]; then
  [[ ${2:-} =~ ^[1-9][0-9]?$ ]] || usage_error "--some: expected a number of patches, found '${2:-}'"
  some=$2
  shift 2
fi

chosen=()
for patch in scripts/mutations/*.patch; do
  words=("$@")
  for word in "${words[@]:-}"; do
    if [[ ${patch##*/} == *"$word"* ]]; then
      chosen+=("$PWD/$patch")
      break
    fi
  done
done
[ ${#chosen[@]} -gt 0 ] || die "no patch in scripts/mutations is named like: $*"

if [ "$some" -gt 0 ] && [ "$some" -lt ${#chosen[@]} ]; then
  commit=$(git rev-parse HEAD 2>/dev/null || echo 0)
  mapfile -t chosen < <(for patch in "${chosen[@]}"; do
    printf '%s %s\n' "$(printf '%s %s' "$commit" "${patch##*/}" | sha256sum | cut -c1-16)" "$patch"
  done | sort | head -n "$some" | cut -d' ' -f2-)
fi

# Outside of any repository: git apply then knows the folder it is in as the root.
change() { (cd "$copy" && GIT_CEILING_DIRECTORIES=$(dirname "$copy") git apply "$@"); }

# The next run, in a folder of another name, finds what this one compiled.
export CCACHE_BASEDIR=$copy
log=$copy/build.log
compile() { cmake --build "$build" --parallel "$(nproc)" --target "test_$1" >"$log" 2>&1; }

# verdict PATCH TEST FILTER: one word, after the tree is as it was.
verdict() {
  local patch=$1 program=$build/bin/test_$2 filter=$3
  compile "$2" || { echo 'does not build before the change'; return; }
  "$program" --gtest_list_tests --gtest_filter="$filter" | grep -q '^  ' || { echo 'names no test'; return; }
  (cd "$build" && "$program" --gtest_brief=1 --gtest_filter="$filter") >"$log" 2>&1 || { echo 'red before the change'; return; }
  change "$patch" 2>"$log" || { echo 'does not apply'; return; }
  if ! compile "$2"; then
    echo 'does not build'
  elif (cd "$build" && "$program" --gtest_brief=1 --gtest_filter="$filter") >"$log" 2>&1; then
    echo 'STAYS GREEN'
  else
    echo red
  fi
  change --reverse "$patch"
}

# With the options of scripts/test.sh, so that ccache has what that compiled.
(cd "$copy" && cmake --preset release -D GPT2RUN_TESTS=ON) >"$log" 2>&1 || { cat "$log" >&2; die "could not configure"; }

failed=0
printf '%-30s %-85s %s\n' mutation test verdict
for patch in "${chosen[@]}"; do
  read -r _ test filter < <(grep -m1 '^red: ' "$patch") || die "$patch has no line: red: <test> <filter>"
  result=$(verdict "$patch" "$test" "$filter")
  printf '%-30s %-85s %s\n' "$(basename "$patch" .patch)" "$test $filter" "$result"
  if [ "$result" != red ]; then
    failed=1
    tail -n 5 "$log" >&2
  fi
done
exit "$failed"
