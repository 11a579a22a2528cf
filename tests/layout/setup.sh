#!/usr/bin/env bash
# layout.setup: scripts/setup.sh against a machine of stubs: what is installed, and how, is decided by name alone.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

stub() {
  printf '#!/bin/sh\n%s\n' "$2" >"$folder/bin/$1"
  chmod +x "$folder/bin/$1"
}

# machine USER MISSING_PACKAGE APT_STATUS [sudo]: a folder of stubs, the only one on PATH beside what the stubs need.
machine() {
  rm -rf "${folder:?}/bin" "$folder/calls"
  mkdir "$folder/bin"
  stub dpkg-query "[ \"\$4\" = '$2' ] || echo installed"
  stub id "echo $1"
  stub apt-get "echo \"\$DEBIAN_FRONTEND apt-get \$*\" >>'$folder/calls'; exit $3"
  ln -s "$(command -v env)" "$folder/bin/env"
  ln -s "$(command -v sh)" "$folder/bin/sh"
  if [ "${4:-}" = sudo ]; then stub sudo "echo sudo >>'$folder/calls'; exec \"\$@\""; fi
}

# outcome KIND: exit status and words of install_missing KIND, then what was called.
outcome() { outcome_of "install_missing $1"; }
outcome_of() {
  local status=0
  words=$(PATH=$folder/bin BASH_ENV='' "$BASH" -euc ". '$root/scripts/setup.sh'; $1" setup 2>&1) || status=$?
  printf '%s\n%s\n%s\n' "$status" "$words" "$(cat "$folder/calls" 2>/dev/null || true)"
}

expect() {
  local name=$1 pattern=$2 got=$3
  # shellcheck disable=SC2053  # the right side is a pattern
  if [[ $got != $pattern ]]; then
    printf '%s: expected %s, got:\n%s\n' "$name" "$pattern" "$got"
    exit 1
  fi
}

machine 0 nothing 0
expect 'all is there' 0 "$(outcome test)"

machine 0 libspdlog-dev 0
expect 'one is missing, root' $'0\n== installing libspdlog-dev\nnoninteractive apt-get -qq update\n*install -y*libspdlog-dev' "$(outcome demo)"

machine 1000 libspdlog-dev 0 sudo
expect 'one is missing, sudo' $'0\n== installing libspdlog-dev\nsudo\nnoninteractive apt-get*' "$(outcome demo)"

machine 1000 libspdlog-dev 0
expect 'one is missing, no rights' $'1\nsetup: missing packages: run as root: apt-get install libspdlog-dev' "$(outcome demo)"

machine 0 ccache 100
expect 'the registry fails' $'1\n*could not install ccache*' "$(outcome demo)"

machine 0 libgtest-dev 0
expect 'the demo needs no GoogleTest' 0 "$(outcome demo)"
expect 'the tests need GoogleTest' '0*installing libgtest-dev*' "$(outcome test)"

machine 0 clang 0
expect 'the tests need no clang++' 0 "$(outcome test)"
expect 'a build by clang++ does' '0*installing clang*' "$(outcome clang)"

machine 0 python3-matplotlib 0
expect 'the demo needs no matplotlib' 0 "$(outcome demo)"
expect 'plots need matplotlib' '0*installing python3-matplotlib*' "$(outcome plots)"

# kernels TOOLS PIP: a machine with nvcc, where the look-up of cuobjdump and nvdisasm exits with TOOLS and pip with PIP.
kernels() {
  machine 0 nothing 0
  stub nvcc 'exit 1'
  stub timeout 'shift; exec "$@"'
  stub python3 "[ \"\$3\" = tools ] && exit $1; echo \"python3 \$*\" >>'$folder/calls'; exit $2"
}
kernels 0 0
expect 'the tools for machine code are there' 0 "$(outcome_of install_kernel_tools)"
kernels 77 0
expect 'they are missing' $'0\n== installing cuobjdump and nvdisasm in build/cuda_tools\npython3 -m pip install *' "$(outcome_of install_kernel_tools)"
kernels 77 1
expect 'pip fails' $'0\n== installing cuobjdump and nvdisasm in build/cuda_tools\npython3 -m pip install *' "$(outcome_of install_kernel_tools)"
[ -x /usr/local/cuda/bin/nvcc ] || { kernels 77 0; rm "$folder/bin/nvcc"; expect 'no kernels are compiled' 0 "$(outcome_of install_kernel_tools)"; }

status=0
words=$("$root/scripts/test.sh" nonsense 2>&1) || status=$?
expect 'unknown argument' "2 test.sh: unknown argument 'nonsense': expected nothing or fast; --help shows the usage" "$status $words"

status=0
words=$("$root/scripts/test_all.sh" nonsense 2>&1) || status=$?
expect 'unknown part' "2 test_all.sh: unknown argument 'nonsense': expected one of *" "$status $words"
