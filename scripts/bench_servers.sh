#!/usr/bin/env bash
# How fast gpt2serve answers beside llama.cpp's server on this machine: one model with random weights, the same number
# type, the same requests, the servers in turn. Prints a table of medians over the rounds, with the least and the most.
#   scripts/bench_servers.sh [ROUNDS]    3 rounds unless given
# Environment: PEERS, the folder for the models and llama.cpp (build/peers); TYPES, of fp32 bf16 fp16 ("bf16"); CLIENTS, the
# numbers of clients at a time ("1 8 32"); TOKENS, new ones of a request (64); MODEL, any that --model takes
# (synthetic:124M); LLAMA_SERVER, a program to take in place of the one that is compiled from the source package of
# llama-cpp-python, which scripts/bench_peers.sh installs too. The first run downloads 77 MB and compiles, which takes
# half an hour on two cores; a round takes about three minutes for each type.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

rounds=${1:-3} folder=${PEERS:-build/peers}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage_error "ROUNDS: expected a number from 1 on, found '$rounds'"
mkdir -p "$folder"
folder=$(realpath "$folder")
server=${LLAMA_SERVER:-$folder/llama.cpp/build/bin/llama-server}

if [ ! -x "$server" ]; then
  [ -z "${LLAMA_SERVER:-}" ] || die "LLAMA_SERVER: $LLAMA_SERVER is no program"
  say 'downloading llama.cpp'
  python3 -m venv "$folder/sdist" || die "no Python environment: package python3-venv"
  "$folder/sdist/bin/pip" install --quiet scikit-build-core # which pip needs to read the package's name
  "$folder/sdist/bin/pip" download --quiet --no-deps --no-build-isolation --no-binary llama-cpp-python \
    --dest "$folder/sdist" llama-cpp-python
  mkdir -p "$folder/llama.cpp"
  tar -xzf "$folder"/sdist/llama_cpp_python-*.tar.gz --strip-components=3 -C "$folder/llama.cpp" --wildcards '*/vendor/llama.cpp/*'
  say 'compiling llama.cpp'
  cmake -S "$folder/llama.cpp" -B "$folder/llama.cpp/build" -D CMAKE_BUILD_TYPE=Release -D GGML_NATIVE=ON \
    -D LLAMA_OPENSSL=OFF -D LLAMA_BUILD_TESTS=OFF -D LLAMA_BUILD_EXAMPLES=OFF >"$folder/llama.cpp.log"
  cmake --build "$folder/llama.cpp/build" --parallel "$(nproc)" --target llama-server >>"$folder/llama.cpp.log"
fi

say 'building build/release'
build release -- gpt2serve gpt2convert precisions/all samplers/all loaders/all
read -ra types <<<"${TYPES:-bf16}"
read -ra clients <<<"${CLIENTS:-1 8 32}"
python3 scripts/bench_servers.py "$PWD/build/release/bin" "$server" "$folder/served" "${MODEL:-synthetic:124M}" "$rounds" \
  "${types[*]}" "${clients[*]}"
