#!/usr/bin/env bash
# cuda_fails.*: PROGRAM --device DEVICE with a CUDA precision ends with exit code 1 and one line, which is EXPECTED, a
# pattern for the whole of what follows the program's name.
set -euo pipefail
code=0
said=$("$1" -q --model synthetic:L=1,C=64,H=1,F=64,V=20,T=16 --tokens 1 -n 2 --sink tokens --device "$2" \
  --precision cuda-fp32:invariant=prefill 2>&1) || code=$?
if [ "$code" -ne 1 ] || ! [[ $said =~ ^gpt2run:\ error:\ $3$ ]] || [[ $said == *$'\n'* ]]; then
  printf 'expected exit code 1 and "%s", found %s and "%s"\n' "$3" "$code" "$said" >&2
  exit 1
fi
