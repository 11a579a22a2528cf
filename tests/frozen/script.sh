#!/usr/bin/env bash
# frozen.script SOURCE COMPILER: scripts/freeze_contract.sh copies all that the plugins of tests/frozen need, and the copy
# in the tree has all that they need.
set -euo pipefail
source=$1 compiler=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

CXX=$compiler "$source/scripts/freeze_contract.sh" "$folder/include"
for include in "$folder/include" "$source/tests/frozen/include"; do
  "$compiler" -std=c++20 -M -I "$include" "$source"/tests/frozen/plugins/*.cpp >/dev/null
done
