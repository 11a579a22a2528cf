#!/usr/bin/env bash
# layout.mutations: every patch of scripts/mutations applies to the tree as it is, and names the test that it turns red.
# Whether it does is shown by scripts/run_mutations.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v git >/dev/null || { echo 'skipped: git is missing (package git)'; exit 77; }
GIT_CEILING_DIRECTORIES=$(dirname "$PWD")
export GIT_CEILING_DIRECTORIES

broken=$(mktemp)
trap 'rm "$broken"' EXIT
printf -- '--- a/CMakeLists.txt\n+++ b/CMakeLists.txt\n@@ -1 +1 @@\n-no such line\n+another\n' >"$broken"
if git apply --check "$broken" 2>/dev/null; then
  echo 'self-test: a patch that fits nowhere should be refused'
  exit 1
fi

status=0
count=0
for patch in scripts/mutations/*.patch; do
  count=$((count + 1))
  git apply --check "$patch" || status=1
  grep -q '^red: [a-z_0-9]* [^ ]*$' "$patch" || { echo "$patch: no line 'red: <test> <filter>'"; status=1; }
done
if [ "$count" -lt 12 ]; then
  echo "expected twelve patches or more, found $count"
  status=1
fi
exit "$status"
