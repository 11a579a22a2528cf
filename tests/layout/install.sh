#!/usr/bin/env bash
# install.moved BUILD_FOLDER: an installed tree runs from wherever it was put: programs, plugins and the demo model.
set -euo pipefail
build=$1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

cmake --install "$build" --prefix "$folder/first" >/dev/null
mv "$folder/first" "$folder/moved"
cd "$folder"

clean() { env -i PATH="$PATH" HOME="$folder" "$@" </dev/null; }

# contains WHAT WORDS: the words are in what was said.
contains() {
  if [[ $1 != *"$2"* ]]; then
    printf 'expected "%s" in:\n%s\n' "$2" "$1"
    exit 1
  fi
}

listed=$(clean moved/bin/gpt2plugins list)
for file in "$build"/lib/gpt2run/gpt2run-*.so; do
  name=${file##*/gpt2run-*-}
  contains "$listed" "${name%%.*}"
done
contains "$(clean moved/bin/gpt2run --prompt 'Once upon a time' --max-new-tokens 4)" 'Once upon a time'
