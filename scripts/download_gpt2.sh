#!/usr/bin/env bash
# Fetches GPT-2 and verifies it: sums of the files where they are known, the structure of the weights, and for 124M the
# logits of five prompts. A download that was interrupted goes on where it stopped.
#   scripts/download_gpt2.sh [124M | 355M | 774M | 1558M] [OPTION...]
#   --to FOLDER     where the files go; models/gpt2-SIZE
#   --from URL      the host of the repositories
#   --sums FILE     known sums; scripts/gpt2/sha256.tsv
#   --table FILE    known logits; scripts/gpt2/logits-SIZE.tsv, if there is one
#   --bin FOLDER    where gpt2run is; without it build/release is built
set -euo pipefail
start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

# Paths are the caller's, not those of this folder.
absolute() { (cd "$start" && realpath -m -- "$1"); }

size=124M folder='' from=https://huggingface.co sums=scripts/gpt2/sha256.tsv table='' programs=''
while [ $# -gt 0 ]; do
  case $1 in
    124M | 355M | 774M | 1558M) size=$1 ;;
    --to | --from | --sums | --table | --bin)
      [ $# -gt 1 ] || die "$1: a value is missing"
      case $1 in
        --to) folder=$(absolute "$2") ;;
        --from) from=$2 ;;
        --sums) sums=$(absolute "$2") ;;
        --table) table=$(absolute "$2") ;;
        --bin) programs=$(absolute "$2") ;;
      esac
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown argument '$1': expected 124M, 355M, 774M or 1558M; --help shows the options" ;;
  esac
  shift
done
case $size in
  124M) repository=gpt2 ;;
  355M) repository=gpt2-medium ;;
  774M) repository=gpt2-large ;;
  1558M) repository=gpt2-xl ;;
esac
folder=${folder:-models/gpt2-$size}
if [ -z "$table" ] && [ -e "scripts/gpt2/logits-$size.tsv" ]; then table=scripts/gpt2/logits-$size.tsv; fi
[ -r "$sums" ] || die "$sums: expected a file that can be read"
command -v curl >/dev/null || die "curl is missing: apt-get install curl"

# known_sum FILE: its SHA-256, nothing where it is not known.
known_sum() { awk -F '\t' -v r="$repository" -v f="$1" '($1 == r || $1 == "*") && $2 == f { print $3; exit }' "$sums"; }
is_whole() { [ -n "$2" ] && [ -e "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]; }

# request URL PART [CURL OPTION...]: prints the HTTP status, 000 where there is none.
request() {
  curl --fail --location --silent --show-error --retry 3 --write-out '%{http_code}' --output "$2" "${@:3}" "$1" </dev/null
}

# fetch URL PART: goes on with a part. Where the host does not let it (it knows no ranges, or the part is longer than
# the file), the part is fetched again from its beginning; after any other failure it stays.
fetch() {
  local status=0 code
  code=$(request "$1" "$2" --continue-at -) || status=$?
  case $status/$code in
    22/416 | 33/* | 36/*) ;;
    *) return "$status" ;;
  esac
  say "${2##*/} cannot be gone on with: fetching it from the beginning"
  rm -f "$2"
  request "$1" "$2" >/dev/null
}

# get FILE: appears under its name when it is whole and its sum is right.
get() {
  local file=$folder/$1 sum
  sum=$(known_sum "$1")
  if [ -e "$file" ]; then
    if [ -n "$sum" ] && ! is_whole "$file" "$sum"; then die "$file is there and is another one: move it away"; fi
    say "$file is there"
    return
  fi
  say "fetching $file"
  if ! is_whole "$file.part" "$sum" && ! fetch "$from/openai-community/$repository/resolve/main/$1" "$file.part"; then
    [ ! -s "$file.part" ] || die "$file could not be fetched; what has come stays in $1.part, and the same command goes on with it"
    rm -f "$file.part"
    die "$file could not be fetched; nothing has come"
  fi
  if [ -n "$sum" ] && ! is_whole "$file.part" "$sum"; then
    rm "$file.part"
    die "$file: what has come is not what it should be (SHA-256), and is removed"
  fi
  mv "$file.part" "$file"
}

mkdir -p "$folder"
for file in config.json vocab.json merges.txt model.safetensors; do get "$file"; done

if [ -z "$programs" ]; then
  say "building build/release"
  build release -- gpt2run gpt2tokenize precisions/all samplers/all loaders/all sinks/all
  programs=build/release/bin
fi
# The loader reads the whole header and holds every tensor's shape against config.json.
"$programs/gpt2run" --quiet --explain --model "$folder" >/dev/null || die "$folder is not a whole model: see above"
if [ -n "$table" ]; then
  scripts/check_logits.sh "$folder" "$table" "$programs"
else
  say "no logits are known for $size: files and structure were checked"
fi
say "$programs/gpt2run --model $folder"
