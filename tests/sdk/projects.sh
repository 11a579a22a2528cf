#!/usr/bin/env bash
# projects.sh BUILD COMPILER: new projects of all kinds, with names of their own, built by COMPILER against what BUILD
# installs. Their tests pass, and so do those of "gpt2plugins check".
set -euo pipefail
build=$(realpath "$1") compiler=$2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
unset GPT2RUN_PLUGIN_PATH
export HOME=$folder
cmake --install "$build" --prefix "$folder/prefix" >/dev/null
cd "$folder"

# Names that the classes of a careless text would share with the contract, or that are no identifiers.
plugins=()
for project in loader-tensor precision-precision sampler-2-odd-- sink-my-sink; do
  kind=${project%%-*} name=${project#*-}
  prefix/bin/gpt2plugins new "$kind" "$name" "$project" >/dev/null
  (
    cd "$project"
    cmake -G Ninja -B build -DCMAKE_PREFIX_PATH="$folder/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
      -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" >/dev/null
    cmake --build build
    ctest --test-dir build --output-on-failure
  )
  plugins+=("$project/build/lib/gpt2run/gpt2run-$project.so")
done
prefix/bin/gpt2plugins check "${plugins[@]}"
