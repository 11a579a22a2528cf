#!/usr/bin/env bash
# Runs the programs while their calls fail, and checks what they say and what they leave.
#   scripts/faults.sh                       600 seconds, with a seed of its own for each commit
#   scripts/faults.sh --seconds 30 --seed 1 what the test `faults` does, a little longer
#   scripts/faults.sh OPTION...             as tests/faults/faults.py --help says
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

if asks_for_help "$@"; then
  usage
  exec python3 -B tests/faults/faults.py --help
fi
build release -D GPT2RUN_TESTS=ON -- gpt2run gpt2convert gpt2perplexity gpt2compare gpt2bench gpt2tokenize gpt2serve \
  precisions/all samplers/all loaders/all sinks/all gpt2run_fault
python3 -B tests/faults/faults.py build/release --jobs "$(nproc)" --seconds 600 --seed "$(number_of_commit)" "$@"
