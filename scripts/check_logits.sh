#!/usr/bin/env bash
# Holds a model's ids and logits against a table of what they should be.
#   scripts/check_logits.sh MODEL TABLE [FOLDER]
# MODEL: a folder with its tokenizer. TABLE: lines of tab-separated columns; each prompt begins a case:
#   prompt TEXT | tokens IDS | logit ID VALUE (after the prompt's last token) | sum VALUE (over the vocabulary)
# FOLDER: where gpt2run is; without it build/release is built. Values have four decimals or fewer.
set -euo pipefail

[ $# -eq 2 ] || [ $# -eq 3 ] || { echo "usage: ${0##*/} MODEL TABLE [FOLDER]" >&2; exit 2; }
[ -r "$2" ] || { echo "${0##*/}: $2: expected a table that can be read" >&2; exit 1; }
model=$(realpath "$1") table=$(realpath "$2") programs=${3:+$(realpath "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
if [ -z "$programs" ]; then
  say "building build/release"
  build release -- gpt2run gpt2tokenize precisions/all samplers/all loaders/all sinks/all
  programs=build/release/bin
fi
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

# case_lines N: the lines of the table's case N, from 1.
case_lines() { awk -F '\t' -v n="$1" '/^#/ { next } $1 == "prompt" { at++ } at == n' "$table"; }
column() { awk -F '\t' -v key="$1" '$1 == key { print $2; exit }'; }

prompts=()
while IFS= read -r prompt; do prompts+=(--prompt "$prompt"); done < <(awk -F '\t' '$1 == "prompt" { print $2 }' "$table")
count=$((${#prompts[@]} / 2))
[ "$count" -gt 0 ] || die "$table: expected a prompt, found none"

"$programs/gpt2run" --quiet --model "$model" --precision cpu-fp32 --sampler argmax --max-new-tokens 1 \
  --sink "logits:dir=$work" "${prompts[@]}" || die "$model cannot be run"

failed=0
for ((i = 0; i < count; ++i)); do
  prompt=${prompts[2 * i + 1]}
  case_lines $((i + 1)) >"$work/case"
  expected=$(column tokens <"$work/case")
  found=$("$programs/gpt2tokenize" --tokenizer "$model" encode "$prompt")
  if [ "$expected" != "$found" ]; then
    printf 'prompt %d: expected the ids %s, found %s\n' $((i + 1)) "$expected" "$found"
    failed=1
  fi
  # One logit a line, the first of id 0.
  tr -d '\n' <"$work/generation_FP32_$i.json" | sed 's/.*"logits": *\[//; s/\].*//' | tr ',' '\n' >"$work/logits"
  # Allowed: 1e-4 absolute and relative, what fp32 means (docs/numerics.md), and half of the table's last decimal.
  awk -F '\t' -v prompt=$((i + 1)) '
    function off(x, y, allowed, what) {
      ++compared
      d = x - y; if (d < 0) d = -d
      if (d / allowed > worst) worst = d / allowed
      if (!(d <= allowed)) { printf "prompt %d: %s: expected %s, found %s\n", prompt, what, y, x; bad = 1 }
    }
    function size(x) { return x < 0 ? -x : x }
    FNR == NR {
      if ($0 !~ /^ *-?[0-9][0-9.]*(e[-+]?[0-9]+)? *$/) { printf "prompt %d: token %d has no finite logit\n", prompt, FNR - 1; bad = 1 }
      logit[FNR - 1] = $0 + 0; sum += $0; vocabulary = FNR; next
    }
    $1 == "logit" && !($2 in logit) { printf "prompt %d: token %s: expected a logit, found none\n", prompt, $2; bad = 1; next }
    $1 == "logit" { off(logit[$2], $3, 1e-4 + 1e-4 * size($3) + 5e-5, "logit of token " $2) }
    $1 == "sum" { off(sum, $2, 1e-4 * vocabulary + 1e-4 * size($2) + 5e-2, "sum of logits") }
    END {
      if (!compared) { printf "prompt %d: expected a logit in the table, found none\n", prompt; bad = 1 }
      printf "prompt %d: %d values compared, the worst at %.3f of what is allowed\n", prompt, compared, worst
      exit bad
    }' "$work/logits" "$work/case" || failed=1
done
[ "$failed" = 0 ] || die "$model is not the model of $table"
say "$model gives the logits of $table"
