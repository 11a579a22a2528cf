#!/usr/bin/env bash
# The whole study of one model: times, speed, perplexity and divergence of every precision that can run here, in one
# folder with tables, pictures and a report. Every step shows its commands; commands.txt in the folder keeps them.
#   scripts/study.sh [MODEL] [OPTION...]
#   MODEL             folder or file of a model with a tokenizer; models/demo
#   --out FOLDER      where results go; build/study/NAME. Those of an earlier study are replaced
#   --quick           less of everything: to see that it works
#   --prompts FILE    a short prompt on each line; models/demo/prompts.txt
#   --text FILE       the text that precisions are held against each other on; models/demo/study.txt
#   --formats         number formats of 8 and 4 bits too: what each costs and reads, and which part does the damage
#   --adder FILE      with --formats: minGPT's adder, a model that adds; ../shared/data/adder/model.pt where it is there
#   --precision LIST  precisions, comma between, the reference first; else all that can run but the slow `reference`,
#                     times and speed of the GPU's only, where there is one
set -euo pipefail
start=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

# Paths are the caller's, not those of this folder; shown as short as they are from here.
path_of() { (cd "$start" && realpath -m --relative-base="$OLDPWD" -- "$1"); }

model='' out='' quick='' prompts=models/demo/prompts.txt text=models/demo/study.txt asked=''
formats='' adder=''
while [ $# -gt 0 ]; do
  case $1 in
    --out | --prompts | --text | --precision | --adder)
      [ -n "${2:-}" ] || usage_error "$1: a value is missing"
      case $1 in
        --out) out=$(path_of "$2") ;;
        --prompts) prompts=$(path_of "$2") ;;
        --text) text=$(path_of "$2") ;;
        --precision) asked=$2 ;;
        --adder) adder=$(path_of "$2") ;;
      esac
      shift
      ;;
    --quick) quick=yes ;;
    --formats) formats=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) usage_error "unknown option '$1'; --help shows what there is" ;;
    *)
      [ -z "$model" ] || usage_error "one model expected, found '$1' too"
      model=$1
      case $model in synthetic:*) ;; *) model=$(path_of "$1") ;; esac
      ;;
  esac
  shift
done
model=${model:-models/demo}
name=$(basename "$(realpath -m -- "$model")" .bin)
out=${out:-build/study/$name}
[ -z "$adder" ] || [ -n "$formats" ] || usage_error "--adder: expected --formats too"
if [ -z "$adder" ] && [ -f ../shared/data/adder/model.pt ]; then adder=../shared/data/adder/model.pt; fi
programs=build/release/bin

# runnable SPACE: names of precisions in this memory that can run here, fp32 first. A list in JSON has a key a line.
runnable() {
  "$programs/gpt2plugins" list --json | awk -F '"' -v space="$1" '
    /^    \{/ { split("", of) }
    /^      "(kind|name|space)": / { of[$2] = $4 }
    /^      "score": [1-9]/ { of["runs"] = 1 }
    /^    \}/ && of["kind"] == "precision" && of["space"] == space && of["runs"] && of["name"] != "reference" {
      order = index("fp32 fp16 bf16 int8 int4", substr(of["name"], length(of["name"]) - 3))
      print (order ? order : 99), of["name"]
    }' | sort -k1,1n -k2 | cut -d ' ' -f 2
}

# joined NAME...: with commas between.
joined() { (IFS=, && printf '%s' "$*"); }

# choose_precisions: `all` of the study, the reference first, and those that are `timed`, which share a memory.
choose_precisions() {
  local of_gpu of_cpu
  mapfile -t of_gpu < <(runnable cuda)
  mapfile -t of_cpu < <(runnable host)
  all=${asked:-$(joined "${of_gpu[@]}" "${of_cpu[@]}")}
  timed=$all
  if [ -z "$asked" ] && [ ${#of_gpu[@]} -gt 0 ]; then timed=$(joined "${of_gpu[@]}"); fi
  case $all in
    *,*) ;;
    *) die "expected at least two precisions to compare, found '$all'" ;;
  esac
}

# The formats of --formats, from 16 bits to 4; head_input=fp32 leaves inputs of the head as they are. The last one is tried
# part by part.
of_16=(reference:w=fp16:a=fp16:head=fp16 reference:w=bf16:a=bf16:head=bf16)
of_8=(
  reference:w=int8:group=32:head=int8:head_input=fp32 reference:w=int8:head=int8:head_input=fp32
  reference:w=int8:group=32:a=int8:a_group=32:head=int8 reference:w=int8:a=int8:head=int8 reference:w=int8:a=int8
  reference:w=e4m3:head=e4m3:head_input=fp32 reference:w=e4m3:a=e4m3:head=e4m3 reference:w=e5m2:a=e5m2:head=e5m2
)
of_cache=(reference:kv=fp16 reference:kv=int8 reference:kv=e4m3 reference:kv=int4)
of_4=(
  reference:w=int4:head=int4 reference:w=int4:group=32:head=int4 reference:w=int4:group=32:head=int8:head_input=fp32
  reference:w=int4:group=32 reference:w=int4:group=32:a=int8:a_group=32:head=int4 reference:w=int4:group=32:zero=on:head=int4
  reference:w=int4:group=32:zero=on:scales=63:head=int4 reference:w=int4:group=32:zero=on:scales=fp32:head=int4
  reference:w=int4:group=32:zero=least:head=int4 reference:w=nf4:head=nf4 reference:w=mxfp4:head=mxfp4
  reference:w=int4:group=32:zero=on:a=int8:head=int8:kv=fp16
)

# take_folder: an empty one, or one of ours, which is emptied of results.
take_folder() {
  [ ! -e "$out" ] || [ -d "$out" ] || die "$out: expected a folder, found a file"
  if [ -d "$out" ] && [ -n "$(ls -A "$out")" ] && [ ! -e "$out/commands.txt" ]; then
    die "$out holds something else than a study: name another folder by --out"
  fi
  mkdir -p "$out"
  rm -rf "${out:?}"/{prompts,timings,plots}
  rm -f "$out"/{bench,perplexity,compare}.json "$out"/{timings,speed,perplexity,divergence,continuations}.txt
  rm -f "$out"/{formats,islands,adder}.{json,txt}
  rm -f "$out"/report.html "$out"/.part
  echo "# The commands that made this folder, beginning where scripts/ is" >"$out/commands.txt"
}

steps=6 step=0 title=''
if [ -n "$formats" ]; then steps=$((steps + 2)); fi
if [ -n "$formats" ] && [ -n "$adder" ]; then steps=$((steps + 1)); fi
begin() {
  step=$((step + 1)) title=$1
  say "step $step of $steps: $title"
}

stop() { die "step $step of $steps, $title, $1; what is done is in $out"; }

# note [>FILE] COMMAND...: shows and keeps a command as it can be typed.
note() {
  local word line='' to=''
  case $1 in '>'*) to=" >$(quoted "${1#>}")" && shift ;; esac
  for word in "$@"; do line+=" $(quoted "$word")"; done
  say "${line# }$to"
  echo "${line# }$to" >>"$out/commands.txt"
}

quoted() { if [[ $1 =~ ^[[:alnum:]_./:,=+-]+$ ]]; then printf '%s' "$1"; else printf '%s' "${1@Q}"; fi; }

# run COMMAND...
run() {
  note "$@"
  "$@" || stop 'failed: the reason stands above'
}

# keep FILE COMMAND...: what the command prints becomes a file of the folder, a whole one.
keep() {
  local file=$out/$1 part=$out/.part
  shift
  note ">$file" "$@"
  "$@" >"$part" || { rm -f "$part"; stop 'failed: the reason stands above'; }
  mv "$part" "$file"
}

build_programs gpt2run gpt2plugins gpt2tokenize gpt2bench gpt2perplexity gpt2compare
for file in "$prompts" "$text" ${formats:+${adder:+"$adder"}}; do
  if [ ! -f "$file" ] || [ ! -r "$file" ]; then die "$file: expected a file that can be read"; fi
done
has_matplotlib || (install_missing plots) || say "going on: tables need no pictures"
explained=$("$programs/gpt2run" --quiet --explain --model "$model") || exit 1
"$programs/gpt2tokenize" encode --tokenizer "$model" a >/dev/null || exit 1
context=$(sed -n 's/^ .*, T \([0-9]*\),.*/\1/p' <<<"$explained")
[ "${context:-0}" -ge 16 ] || die "$model: expected a context of at least 16 tokens, found ${context:-none}"
choose_precisions

# What is measured: lengths of whole sequences, sequences of each, and how long the benchmark takes.
lengths=() rows=2 wanted=(64 128 256 512 1024) rounds=3 megabytes=256 limit=0 floor=128 new=64
tried=("${of_16[@]}" "${of_8[@]}" "${of_cache[@]}" "${of_4[@]}") looked_at=256 sums=10000
if [ -n "$quick" ]; then tried=("${of_8[3]}" "${of_cache[1]}" "${of_4[-1]}") looked_at=16 sums=100; fi
if [ -n "$quick" ]; then wanted=(32 64) rows=1 rounds=1 megabytes=16 limit=64 floor=16 new=16; fi
for length in "${wanted[@]}"; do [ "$length" -gt "$context" ] || lengths+=("$length"); done
[ ${#lengths[@]} -gt 0 ] || lengths=("$context")
prefill=$((context / 2 < 512 ? context / 2 : 512))
if [ $((context / 4)) -lt "$new" ]; then new=$((context / 4)); fi

take_folder
trap 'rm -f "$out/.part"; stop interrupted' INT TERM HUP

begin prompts
mkdir -p "$out/prompts"
first=$out/prompts/first_$(basename "$prompts")
keep "${first#"$out"/}" head -n "$rows" "$prompts"
for length in "${lengths[@]}"; do
  run "$programs/gpt2tokenize" pack --tokenizer "$model" --in "$first" --t "$length" --out "$out/prompts/prompt_$length.bin"
done

begin timings
keep timings.txt "$programs/gpt2bench" sweep --model "$model" --t "$(joined "${lengths[@]}")" --precision "$timed" \
  --sampler argmax --sampler device-argmax --prompts "$out/prompts/prompt_{t}.bin" --out "$out/timings"

begin speed
keep speed.txt "$programs/gpt2bench" --model "$model" --precision "$timed" --threads 0 --prompt_tokens "$prefill" \
  --new_tokens "$new" --repetitions "$rounds" --read_mb "$megabytes" --json "$out/bench.json"

begin perplexity
keep perplexity.txt "$programs/gpt2perplexity" --model "$model" --precision "$all" --text "$text" --json "$out/perplexity.json"

begin divergence
keep continuations.txt "$programs/gpt2compare" --model "$model" --ref "${all%%,*}" --test "${all#*,}" --prompts "$prompts" \
  --max_new_tokens "$new" --floor off
keep divergence.txt "$programs/gpt2compare" --model "$model" --ref "${all%%,*}" --test "${all#*,}" --text "$text" \
  --limit "$limit" --floor_targets "$floor" --full --json "$out/compare.json"

if [ -n "$formats" ]; then
  begin formats
  keep formats.txt "$programs/gpt2compare" --model "$model" --ref "${all%%,*}" --test "$(joined "${tried[@]}")" --text "$text" \
    --limit "$limit" --floor_targets 16 --formats --json "$out/formats.json"

  begin islands
  keep islands.txt "$programs/gpt2compare" --model "$model" --ref "${all%%,*}" --test "${tried[-1]}" --text "$text" \
    --limit "$looked_at" --floor off --formats --islands --json "$out/islands.json"
fi

if [ -n "$formats" ] && [ -n "$adder" ]; then
  begin adder
  keep adder.txt scripts/adder.py "$adder" "$out/formats.json" --sums "$sums" --json "$out/adder.json"
fi

begin pictures
has_matplotlib || stop 'left out: the package python3-matplotlib is missing'
run scripts/plots.py "$out"
say "done: $out/report.html, and tables beside it"
