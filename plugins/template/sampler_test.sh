#!/usr/bin/env bash
# test.sh BIN PLUGINS: sampler coin in runs of gpt2run. BIN is the folder of gpt2run, PLUGINS that of the plugin.
set -euo pipefail
bin=$1 plugins=$2

run() {
  "$bin/gpt2run" --quiet --plugin-dir "$plugins" --prompt 'Once upon a time' --max-new-tokens 24 --sampler "$1"
}

# expect WHAT TEST-ARGUMENT...
expect() {
  local what=$1
  shift
  if ! test "$@"; then
    printf 'expected %s, found: %s\n' "$what" "$*"
    exit 1
  fi
}

greedy=$(run argmax)
expect 'the most likely tokens where the second has no chance' "$(run coin:chance=0)" = "$greedy"
text=$(run coin:chance=0.5)
expect 'other tokens where it has one' "$text" != "$greedy"
expect 'the same text from the same seed' "$(run coin:chance=0.5)" = "$text"
