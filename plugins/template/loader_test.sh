#!/usr/bin/env bash
# test.sh BIN PLUGINS: loader flat in runs of gpt2run. BIN is the folder of gpt2run, PLUGINS that of the plugin.
set -euo pipefail
bin=$1 plugins=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# The loader is found by the file's content.
run() {
  "$bin/gpt2run" --quiet --plugin-dir "$plugins" --model "$1" --tokens 1,2,3 --max-new-tokens 4 --sampler argmax --sink tokens
}

# A model of one layer whose 240 weights are 0: all tokens are equally likely, and argmax takes the first.
{
  printf 'flat 1 1 4 4 8 16 -1 1e-5\n'
  head -c 960 /dev/zero
} >"$folder/zeros"
found=$(run "$folder/zeros")
if [ "$found" != '0 0 0 0' ]; then
  printf 'expected the tokens 0 0 0 0, found: %s\n' "$found"
  exit 1
fi

# A file that is cut short is an error that names it.
head -c 900 "$folder/zeros" >"$folder/cut"
if said=$(run "$folder/cut" 2>&1) || [[ $said != *"$folder/cut"* ]]; then
  printf 'expected an error that names the file, found: %s\n' "$said"
  exit 1
fi
