#!/usr/bin/env bash
# install.moved BUILD_FOLDER SOURCE: an installed tree is complete, and runs from wherever it was put: programs, plugins and
# the demo model.
set -euo pipefail
build=$1 source=$2
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

# Beside them lies what a person looks for: headers, CMake package, documents, licence, man pages and completions.
for file in include/gpt2run/sampler.hpp lib*/cmake/gpt2run/gpt2runConfig.cmake lib*/libgpt2run_core.a share/doc/gpt2run/LICENSE \
  share/doc/gpt2run/README.md share/doc/gpt2run/docs/plugin_guide.md share/gpt2run/models/demo/config.json; do
  compgen -G "moved/$file" >/dev/null || { echo "expected $file among what is installed" && exit 1; }
done
for program in moved/bin/*; do
  name=${program##*/}
  for file in "man/man1/$name.1" "bash-completion/completions/$name" "zsh/site-functions/_$name" "fish/vendor_completions.d/$name.fish"; do
    [ -s "moved/share/$file" ] || { echo "expected share/$file among what is installed" && exit 1; }
  done
done

# A plugin is compiled with what pkg-config says of the moved tree.
if command -v pkg-config >/dev/null; then
  PKG_CONFIG_PATH=$(echo "$folder"/moved/lib*/pkgconfig)
  export PKG_CONFIG_PATH
  read -ra compile <<<"$(pkg-config --cflags gpt2run)"
  read -ra link <<<"$(pkg-config --libs gpt2run)"
  "${CXX:-c++}" -O0 -shared -fPIC "${compile[@]}" "$source/tests/contract/plugins/second_best.cpp" \
    -o gpt2run-sampler-second-best.so "${link[@]}"
  contains "$(clean moved/bin/gpt2plugins show second-best --plugin-dir .)" 'second-best'
  contains "$(pkg-config --modversion gpt2run)" "$(moved/bin/gpt2run --version | cut -d ' ' -f 2)"
  [ -d "$(pkg-config --variable=plugindir gpt2run)" ] || { echo 'expected plugindir to be a folder' && exit 1; }
else
  echo 'skipped: gpt2run.pc was not tried: pkg-config is missing (package pkg-config)'
fi
