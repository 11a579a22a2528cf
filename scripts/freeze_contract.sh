#!/usr/bin/env bash
# Renews the frozen copy of the contract, from which tests/frozen builds plugins as they were built when it was made.
#   scripts/freeze_contract.sh            writes tests/frozen/include
#   scripts/freeze_contract.sh FOLDER     writes FOLDER instead, which need not be there
# The copy is the contract's own headers and those of the SDK that the plugins of tests/frozen/plugins include. Renew it
# when the layout of the contract changes before its number is published, and say so in docs/decisions/0005-contract-4.md.
set -euo pipefail
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target=${1:-$source/tests/frozen/include}
mkdir -p "$target"
target=$(cd "$target" && pwd)

cd "$source/core/include"
rm -rf "$target/gpt2run"
{
  ls gpt2run/*.hpp
  "${CXX:-c++}" -std=c++20 -I . -MM "$source"/tests/frozen/plugins/*.cpp |
    tr ' ' '\n' | sed -n 's|^\./||; /^gpt2run\//p'
} | sort -u | xargs cp --parents -t "$target"
