#!/usr/bin/env bash
# cuda_brought: PLUGIN, a CUDA plugin, takes the CUDA runtime that lies beside it, wherever both are, and names no folder
# of the machine that built it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

runtime=$(ldd "$1" | sed -n 's/^\s*\(libcudart\.so\.[0-9]*\) => \(\/[^ ]*\).*/\2/p')
[ -n "$runtime" ] || { echo "skipped: the loader finds no CUDA runtime here"; exit 77; }
cp "$1" "$work"
cp -L "$runtime" "$work"
found=$(ldd "$work/$(basename "$1")" | sed -n 's/^\s*libcudart\.so\.[0-9]* => \([^ ]*\).*/\1/p')
[ "$found" = "$work/$(basename "$runtime")" ] || { echo "expected the runtime beside the plugin, found $found"; exit 1; }
folders=$(objdump -p "$1" | sed -n 's/^ *R\(UN\)\?PATH *//p')
[ "$folders" = "\$ORIGIN" ] || { echo "expected the folder of the plugin alone, found $folders"; exit 1; }
