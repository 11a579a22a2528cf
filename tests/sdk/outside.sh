#!/usr/bin/env bash
# sdk.outside SOURCE BUILD [FLAGS]: the way of docs/plugin_guide.md from nothing to running. gpt2run is installed; a new
# project is built outside the tree, checked, listed, run, and installed beside gpt2run. Then the examples, which are new
# projects of each other kind and one more sampler, and the program of docs/library.md over gpt2run::core; both are
# compiled with FLAGS as the build was.
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
library=$(<"$source/docs/library.md")
contains "$library" "$(<"$source/docs/library/program.cpp")"
contains "$library" "$(<"$source/docs/library/CMakeLists.txt")"

prefix=$folder/prefix
cmake --install "$build" --prefix "$prefix" >/dev/null
cd "$folder"
contains "$("$prefix/bin/gpt2plugins" new sampler coin)" "cmake -G Ninja -B build -DCMAKE_PREFIX_PATH=$prefix"
for file in coin.cpp CMakeLists.txt README.md; do cmp "$source/plugins/template/$file" "coin/$file"; done
cmp "$source/plugins/template/sampler_test.sh" coin/test.sh
cd coin

cmake -G Ninja -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror"
cmake --build build
ctest --test-dir build --output-on-failure
contains "$("$prefix/bin/gpt2plugins" show coin --plugin-dir build/lib/gpt2run)" 'probability of the second'

contains "$("$prefix/bin/gpt2run" --plugin-dir build/lib/gpt2run --sampler coin --coin.chance 0.5 \
  --prompt 'Once upon a time' --max-new-tokens 4 2>&1)" 'Once upon a time'

cmake --install build --prefix "$prefix" >/dev/null
contains "$("$prefix/bin/gpt2plugins" list)" 'coin'

# No program would find a plugin of such a name.
sed -i 's/(sampler coin /(sampler Coin_2 /' CMakeLists.txt
if said=$(cmake build 2>&1); then
  echo 'expected the name Coin_2 to be refused'
  exit 1
fi
contains "$said" "name 'Coin_2'"

# The examples by the names that they have, so that one build makes them and shows that new projects work.
cp -r "$source/docs/examples" "$folder/examples"
cd "$folder/examples"
examples=(loader-flat precision-my-e4m3 sink-surprise)
for example in "${examples[@]}"; do
  kind=${example%%-*} name=${example#*-}
  "$prefix/bin/gpt2plugins" new "$kind" "$name" >/dev/null
  contains "$(<CMakeLists.txt)" "gpt2run_add_plugin($kind $name SOURCES $kind-${name#my-}.cpp)"
  cmp "$kind-${name#my-}.cpp" "$name/$name.cpp"
  sed -i "/plugin($kind $name /s/.*/add_subdirectory($name)/" CMakeLists.txt
done
cmake -G Ninja -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror $flags" >/dev/null
cmake --build build
ctest --test-dir build --output-on-failure
contains "$(ctest --test-dir build -N)" 'run.sink-surprise'
python3 -B "$source/tests/sdk/examples.py" "$prefix" "$folder/examples/build/lib/gpt2run" "$build/tests/contract"

cp -r "$source/docs/library" "$folder/library"
cd "$folder/library"
cmake -G Ninja -B build -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror $flags" >/dev/null
cmake --build build
shown=$(grep -E '^[0-9]+ \((length|cancelled)\):' "$source/docs/library.md")
printed=$(build/program "$prefix/lib/gpt2run" "$prefix/share/gpt2run/models/demo")
contains "=$printed=" "=$shown="
