#!/usr/bin/env bash
# test.sh BIN PLUGINS: precision my-e4m3 in runs of gpt2run. BIN is the folder of gpt2run, PLUGINS that of the plugin.
set -euo pipefail
bin=$1 plugins=$2

# The tokens with their log-probabilities.
run() {
  "$bin/gpt2run" --quiet --plugin-dir "$plugins" --prompt 'Once upon a time' --max-new-tokens 8 --sink jsonl --precision "$1"
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

line=$(run my-e4m3)
expect 'other probabilities than those of FP32' "$line" != "$(run reference)"
expect 'the same numbers in another run' "$(run my-e4m3)" = "$line"
