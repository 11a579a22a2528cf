#!/usr/bin/env bash
# scripts.download: scripts/download_gpt2.sh and scripts/check_logits.sh with the demo model in the place of GPT-2, from
# a folder instead of a host. Argument: where gpt2run is.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
programs=$(realpath "$1")
command -v curl >/dev/null || { echo "skipped: curl is missing"; exit 77; }
folder=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -r "$folder"' EXIT
cd "$folder"

demo=$root/models/demo table=$root/tests/golden/models/demo.logits.tsv
host=$folder/host/openai-community/gpt2/resolve/main
mkdir -p "$host"
cp "$demo"/{config.json,vocab.json,merges.txt,model.safetensors} "$host"
for file in vocab.json merges.txt; do printf '*\t%s\t%s\n' "$file" "$(sha256sum <"$demo/$file" | cut -d ' ' -f 1)"; done >sums
printf 'gpt2\tmodel.safetensors\t%s\n' "$(sha256sum <"$demo/model.safetensors" | cut -d ' ' -f 1)" >>sums

# download STATUS WORDS [ARGUMENT...]: fetches into `out` and expects this end of it.
download() {
  local status=0 words expected=$2
  words=$("$root/scripts/download_gpt2.sh" 124M --to out --from "file://$folder/host" --sums sums --table "$table" \
    --bin "$programs" "${@:3}" 2>&1) || status=$?
  if [ "$status" -ne "$1" ] || [[ $words != *"$expected"* ]]; then
    printf 'expected status %s and "%s", found %s and:\n%s\n' "$1" "$expected" "$status" "$words"
    exit 1
  fi
}

expect() { "$@" || { echo "failed: $*"; exit 1; }; }
no_parts() { [ -z "$(find out -name '*.part')" ]; }

download 0 "gives the logits of $table"
for file in config.json vocab.json merges.txt model.safetensors; do expect cmp "$demo/$file" "out/$file"; done
expect no_parts
download 0 "model.safetensors is there"

# An interrupted download goes on, a part that is whole is taken, one of something else is found out.
rm out/model.safetensors
head -c 1000000 "$demo/model.safetensors" >out/model.safetensors.part
download 0 "gives the logits"
expect cmp "$demo/model.safetensors" out/model.safetensors
mv out/model.safetensors out/model.safetensors.part
download 0 "gives the logits"
expect cmp "$demo/model.safetensors" out/model.safetensors
rm out/model.safetensors
head -c 1000000 /dev/zero >out/model.safetensors.part
download 1 "is not what it should be (SHA-256), and is removed"
expect test ! -e out/model.safetensors
expect no_parts

# A host that knows no ranges: the part is of no use, and the file comes from its beginning.
if command -v python3 >/dev/null; then
  : >serving  # it is read before the server has made it
  python3 -u -m http.server 0 --bind 127.0.0.1 --directory host >serving 2>requests &
  server=$!
  for ((i = 0; i < 100; ++i)); do
    port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' serving)
    [ -z "$port" ] || break
    sleep 0.1
  done
  rm -f out/model.safetensors
  head -c 1000000 "$demo/model.safetensors" >out/model.safetensors.part
  export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
  download 0 "model.safetensors.part cannot be gone on with" --from "http://127.0.0.1:$port"
  expect cmp "$demo/model.safetensors" out/model.safetensors
  rm out/model.safetensors "$host/merges.txt" out/merges.txt
  echo partial >out/merges.txt.part
  download 1 "out/merges.txt could not be fetched; what has come stays in merges.txt.part" --from "http://127.0.0.1:$port"
  expect grep -q partial out/merges.txt.part
  rm out/merges.txt.part
  cp "$demo/merges.txt" "$host"
  kill "$server"
  server=
fi

# Without known sums the structure and the logits still tell.
: >none
head -c 5000000 "$demo/model.safetensors" >"$host/model.safetensors"
download 1 "is not a whole model" --sums none
rm out/model.safetensors
"$programs/gpt2convert" -q -m synthetic:L=6,C=192,H=3,V=4096,T=1024 -o other
cp other/model.safetensors "$host"
download 1 "is not the model of $table" --sums none
download 1 "out/model.safetensors is there and is another one"

# A file that is not there, and a host that has another model than GPT-2.
rm -r out "$host/merges.txt"
download 1 "out/merges.txt could not be fetched; nothing has come"
expect no_parts
rm -r out
download 1 "out/vocab.json: what has come is not what it should be" --sums "$root/scripts/gpt2/sha256.tsv"
download 1 "unknown argument '125M'" 125M
download 1 "--to: a value is missing" --to

# check STATUS WORDS: the demo model against the table `bad`.
check() {
  local status=0 words
  words=$("$root/scripts/check_logits.sh" "$demo" bad "$programs" 2>&1) || status=$?
  if [ "$status" -ne "$1" ] || [[ $words != *"$2"* ]]; then
    printf 'expected status %s and "%s", found %s and:\n%s\n' "$1" "$2" "$status" "$words"
    exit 1
  fi
}
cp "$table" bad
check 0 "gives the logits"
sed '0,/^tokens\t.*/s//tokens\t1 2/' "$table" >bad
check 1 "prompt 1: expected the ids 1 2, found 2441"
awk -F '\t' -v OFS='\t' '$1 == "logit" && !done { $3 += 0.01; done = 1 } { print }' "$table" >bad
check 1 "prompt 1: logit of token 0: expected"
awk -F '\t' -v OFS='\t' '$1 == "sum" { $2 += 3 } { print }' "$table" >bad
check 1 "prompt 2: sum of logits: expected"
printf 'prompt\tOnce\ntokens\t2441\nlogit\t4096\t1.0\n' >bad
check 1 "token 4096: expected a logit, found none"
printf 'prompt\tOnce\ntokens\t2441\n' >bad
check 1 "expected a logit in the table, found none"
: >bad
check 1 "expected a prompt, found none"
