#!/usr/bin/env bash
# Tells a tale: installs what is missing, builds a release of all programs and runs gpt2run on the demo model.
#   scripts/demo.sh [gpt2run's arguments]     for example: scripts/demo.sh --prompt "The old king" --seed 7
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh

build_programs apps/all

[ $# -gt 0 ] || set -- --prompt "Once upon a time" --max-new-tokens 120
say "build/release/bin/gpt2run ${*@Q}"
exec build/release/bin/gpt2run "$@"
