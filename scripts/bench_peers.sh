#!/usr/bin/env bash
# How fast gpt2run is beside other engines on this machine: llama.cpp, ONNX Runtime, CTranslate2 and Transformers, on one
# model with random weights, taking turns. Prints a table; what cannot be installed or run is named and left out.
#   scripts/bench_peers.sh [ROUNDS]      5 rounds unless given
# Environment: PEERS, the folder of the Python environment and models (build/peers), about 12 GB with torch; THREADS, the
# numbers of threads ("1 2"); LIMIT, the seconds after which an engine is left out (300). The first run installs from
# PyPI and compiles llama.cpp, which takes long.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

rounds=${1:-5} folder=${PEERS:-build/peers}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { printf '%s: ROUNDS: expected a number from 1 on, found %q\n' "${0##*/}" "$rounds" >&2; exit 2; }
read -ra threads <<<"${THREADS:-1 $(nproc)}"

mkdir -p "$folder"
folder=$(realpath "$folder")
python=$folder/venv/bin/python
[ -x "$python" ] || python3 -m venv "$folder/venv" || die "no Python environment: package python3-venv"

# has MODULE...: all can be found.
has() { "$python" -c 'import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, sys.argv[1:])))' "$@"; }

# peer NAME MODULE PACKAGE...: installed, or named.
peer() {
  local name=$1 module=$2
  shift 2
  has "$module" && return
  say "installing $name"
  "$python" -m pip install --quiet "$@" >"$folder/pip.log" 2>&1 || say "$name is left out: see $folder/pip.log"
}

peer 'what all of them need' safetensors safetensors numpy
peer Transformers transformers torch transformers
peer 'ONNX Runtime' onnxruntime onnxruntime onnx
peer CTranslate2 ctranslate2 ctranslate2
peer gguf gguf gguf
CMAKE_ARGS='-DGGML_NATIVE=ON' peer llama.cpp llama_cpp llama-cpp-python
has safetensors numpy || die "the peers need safetensors and numpy"

say 'building build/release'
build release -- gpt2bench gpt2convert precisions/all samplers/all loaders/all
if [ ! -e "$folder/made" ]; then
  say 'making the model'
  build/release/bin/gpt2convert --quiet --force --model synthetic:124M --out "$folder/model"
  "$python" scripts/bench_peers.py make "$folder"
  touch "$folder/made"
fi
"$python" scripts/bench_peers.py compare "$folder" "$PWD/build/release/bin/gpt2bench" "$rounds" "${threads[@]}"
