#!/usr/bin/env bash
# test.sh BIN PLUGINS: sink surprise in runs of gpt2run. BIN is the folder of gpt2run, PLUGINS that of the plugin.
set -euo pipefail
bin=$1 plugins=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

run() {
  "$bin/gpt2run" --quiet --plugin-dir "$plugins" --prompt 'Once upon a time' --max-new-tokens 8 --sink "$@"
}

pattern='^sequence 0: [0-9.]+ bits per token over 8 tokens, ended by length$'
found=$(run surprise)
if [[ ! $found =~ $pattern ]]; then
  printf 'expected a line like %s, found: %s\n' "$pattern" "$found"
  exit 1
fi
run "surprise:unit=nats:out=$folder/file.txt"
grep -q ' nats per token ' "$folder/file.txt"

# A run that fails leaves no file: there is no token with this number.
if run "surprise:out=$folder/never.txt" --tokens 99999999 2>/dev/null || [ -e "$folder/never.txt" ]; then
  printf 'expected a run that fails and leaves no file\n'
  exit 1
fi
