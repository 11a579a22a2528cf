#!/usr/bin/env bash
# Tells a tale: installs what is missing, builds a release of all programs and runs gpt2run on the demo model.
#   scripts/demo.sh [gpt2run's arguments]     for example: scripts/demo.sh --prompt "The old king" --seed 7
#   scripts/demo.sh --page [gpt2serve's arguments]     starts the server instead, whose page shows what a number type does
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

build_programs apps/all

if [ "${1-}" = --page ]; then
  shift
  case " $* " in
  *" --precision"* | *" --config"* | *" -c"* | *" --help"* | *" -h "* | *" --version "*) ;;
  *) set -- --precision fp32,bf16,fp16,cpu-int4 --floor "$@" ;;
  esac
  say "build/release/bin/gpt2serve ${*@Q}"
  say "the page is at the address that comes when the model is loaded; Ctrl and C end the server"
  exec build/release/bin/gpt2serve "$@"
fi

# Without arguments: a tale that ends well. The penalty keeps so small a model from repeating itself.
[ $# -gt 0 ] || set -- --max-new-tokens 185 --sampler repetition-penalty:penalty=1.2,nucleus --temp 0.7 --seed 10
# A prompt is added unless the arguments bring what to continue, or ask for something else.
case " $* " in
*" --prompt"* | *" -p"* | *" --tokens"* | *" --config"* | *" -c"* | *" --help"* | *" -h "* | *" --version "*) ;;
*) set -- --prompt "Once upon a time" "$@" ;;
esac
say "build/release/bin/gpt2run ${*@Q}"
exec build/release/bin/gpt2run "$@"
