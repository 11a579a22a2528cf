#!/usr/bin/env bash
# cuda_unseen.*: PROGRAM with --precision PRECISION runs on the CPU, and neither a CUDA plugin nor a library of CUDA is
# mapped for it: what the dynamic loader says of every file is read.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$*" >&2
  cat "$work"/said.* >&2
  exit 1
}

LD_DEBUG=files LD_DEBUG_OUTPUT=$work/said "$1" -q --model synthetic:L=1,C=64,H=1,F=64,V=20,T=16 --tokens 1 -n 2 \
  --sink tokens --precision "$2" || fail "expected a run on the CPU, found exit code $?"
mapped=$(sed -n 's/.*file=\([^ ]*\).*generating link map.*/\1/p' "$work"/said.*)
grep -q 'gpt2run-precision-cpu-.*\.so$' <<<"$mapped" || fail "expected a precision of the CPU to be mapped, found $mapped"
if found=$(grep -E '\.cuda\.so$|lib(cuda|cudart|cublasLt|cublas)\.so' <<<"$mapped"); then
  fail "expected nothing of CUDA to be mapped, found $found"
fi
