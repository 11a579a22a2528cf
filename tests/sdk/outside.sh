#!/usr/bin/env bash
# sdk.outside SOURCE BUILD [FLAGS]: the way of docs/plugin_guide.md from nothing to running. gpt2run is installed; its
# template is built outside the tree, checked, listed, run, and installed beside gpt2run. Then the examples, a plugin of
# each kind, and a program over gpt2run::core; both are compiled with FLAGS as the build was.
set -euo pipefail
source=$1 build=$2 flags=${3:-}
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
contains "$guide" "$(<"$source/docs/examples/precision-e4m3.cpp")"

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

cp -r "$source/docs/examples" "$folder/examples"
cd "$folder/examples"
cmake -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror $flags" >/dev/null
cmake --build build
ctest --test-dir build --output-on-failure
python3 -B "$source/tests/sdk/examples.py" "$prefix" "$folder/examples/build/lib/gpt2run" "$build/tests/contract"

mkdir "$folder/program"
cd "$folder/program"
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(program LANGUAGES CXX)
find_package(gpt2run REQUIRED COMPONENTS core)
add_executable(program main.cpp)
target_link_libraries(program PRIVATE gpt2run::core)
END
cat >main.cpp <<'END'
#include <iostream>

#include "gpt2run/tokenizer/tokenizer.hpp"
int main(int, char** arguments) { std::cout << gpt2run::Tokenizer::open(arguments[1])->encode("a tale").size(); }
END
cmake -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="$flags" >/dev/null
cmake --build build
contains "$(build/program "$prefix/share/gpt2run/models/demo")" '2'
