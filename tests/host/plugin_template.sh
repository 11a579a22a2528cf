#!/usr/bin/env bash
# sdk.template SOURCE BUILD: the way of docs/plugin_guide.md from nothing to running: gpt2run is installed, its template
# is built outside the tree, checked, listed, run, and installed beside gpt2run.
set -euo pipefail
source=$1 build=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
unset GPT2RUN_PLUGIN_PATH
export HOME=$folder

# contains WHAT WORDS: the words are in what was said.
contains() {
  if [[ $1 != *"$2"* ]]; then
    printf 'expected "%s" in:\n%s\n' "$2" "$1"
    exit 1
  fi
}

guide=$(<"$source/docs/plugin_guide.md")
contains "$guide" "$(<"$source/plugins/template/coin.cpp")"
contains "$guide" "$(<"$source/plugins/template/CMakeLists.txt")"

prefix=$folder/prefix
cmake --install "$build" --prefix "$prefix" >/dev/null
cp -r "$source/plugins/template" "$folder/coin"
cd "$folder/coin"

cmake -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror"
cmake --build build
ctest --test-dir build --output-on-failure
contains "$("$prefix/bin/gpt2plugins" show coin --plugin-dir build/lib/gpt2run)" 'probability of the second'

contains "$("$prefix/bin/gpt2run" --plugin-dir build/lib/gpt2run --sampler coin --coin.chance 0.5 \
  --prompt 'Once upon a time' --max-new-tokens 4 2>&1)" 'Once upon a time'

cmake --install build --prefix "$prefix" >/dev/null
contains "$("$prefix/bin/gpt2plugins" list)" 'coin'
