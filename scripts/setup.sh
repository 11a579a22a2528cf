# Sourced by the scripts that build: the Debian packages that gpt2run is built from, and the build itself.
# Nothing is touched and no network is used when everything is there.
# shellcheck shell=bash

# Also for the projects that tests configure: a machine set up from here has Ninja and may lack make.
export CMAKE_GENERATOR=Ninja

say() { printf '== %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# usage_error WORD...: of a command line that cannot be meant.
usage_error() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 2
}

# usage: the comment at the head of the script that sources this, from the top folder.
usage() { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "scripts/${0##*/}"; }

# asks_for_help [ARGUMENT...]: whether the first argument does.
asks_for_help() { [[ ${1-} == -h || ${1-} == --help ]]; }

# number_of_commit: another one for each commit, for what takes its turns by it; 0 without git.
number_of_commit() {
  local commit
  commit=$(git rev-parse HEAD 2>/dev/null || echo 0)
  echo $((16#${commit:0:6}))
}

# choose_parts PARTS [ARGUMENT...]: sets `chosen` to the arguments, each of which must be one of PARTS, or to all of these.
choose_parts() {
  local known=$1
  shift
  local argument
  chosen=()
  for argument in "$@"; do
    case $argument in
      -h | --help)
        usage
        exit 0
        ;;
      *)
        [[ " $known " == *" $argument "* ]] ||
          usage_error "unknown argument '$argument': expected one of $known; --help shows the usage"
        chosen+=("$argument")
        ;;
    esac
  done
  [ ${#chosen[@]} -gt 0 ] || read -ra chosen <<<"$known"
}

# own_folder DEFAULT START IS_OWN [ARGUMENT...]: sets `folder` to what a script was asked to make, an absolute path:
# DEFAULT without an argument, else the one that is given, from the folder START where the caller stands. Refuses what
# is there already, unless it is empty or `IS_OWN FOLDER` says that the script made it.
own_folder() {
  local default=$1 start=$2 is_own=$3
  shift 3
  [ $# -le 1 ] || usage_error "expected one folder at most, found $# arguments"
  case ${1-$default} in
    -h | --help)
      usage
      exit 0
      ;;
    -*) usage_error "unknown option '$1'; --help shows the usage" ;;
    '') usage_error "expected a folder, found an empty name" ;;
  esac
  folder=$PWD/$default
  if [ $# -eq 1 ]; then folder=$(cd "$start" && realpath -m -- "$1"); fi
  [ -e "$folder" ] || return 0
  [ -d "$folder" ] || die "$folder: expected a folder or nothing, found a file"
  "$is_own" "$folder" || [ -z "$(ls -A "$folder")" ] ||
    die "$folder: expected an empty folder or one that this script made, found another one: it is left as it is"
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_missing demo|test|clang|plots: by name, from the machine's own package registry.
install_missing() {
  local packages=(g++ cmake ninja-build ccache libboost1.81-dev libboost-program-options1.81-dev)
  packages+=(libspdlog-dev nlohmann-json3-dev)
  if [ "$1" = test ]; then
    packages+=(libgtest-dev libgmock-dev clang-format shellcheck python3 python3-matplotlib git)
    packages+=(openmpi-bin libopenmpi-dev)
  fi
  if [ "$1" = clang ]; then packages+=(clang lld); fi
  if [ "$1" = plots ]; then packages=(python3 python3-matplotlib); fi
  if ! command -v dpkg-query >/dev/null; then
    say "this is no Debian system: going on without installing; needed are ${packages[*]}"
    return
  fi
  local package missing=() as_root=()
  for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "missing packages: run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive)
  say "installing ${missing[*]}"
  {
    "${as_root[@]}" apt-get -qq update </dev/null &&
      "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null
  } >&2 || die "could not install ${missing[*]}: apt-get's words are above"
}

# install_kernel_tools: NVIDIA's cuobjdump and nvdisasm, from Python's packages to build/cuda_tools, where kernels are
# compiled and these are missing. Where that fails nothing is said: the test that needs them is skipped, with the reason.
install_kernel_tools() {
  command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ] || return 0
  python3 -B scripts/kernel_code.py tools >/dev/null 2>&1 && return 0
  say "installing cuobjdump and nvdisasm in build/cuda_tools"
  timeout 60 python3 -m pip install -q --disable-pip-version-check --no-input --retries 1 --only-binary :all: --no-deps \
    --upgrade --target build/cuda_tools nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm >/dev/null 2>&1 </dev/null || true
}

# build PRESET [CMAKE ARGUMENT...] [-- TARGET...]: configures and builds; silent where nothing changed.
build() {
  local preset=$1 log=build/$1.configure.log arguments=() targets=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    arguments+=("$1")
    shift
  done
  [ $# -eq 0 ] || targets=(--target "${@:2}")
  # Clones in other folders find what one of them compiled.
  export CCACHE_BASEDIR=$PWD
  # ccache needs a folder to write to, which a bare service account does not have.
  if [ ! -w "${HOME:-/nonexistent}" ]; then export CCACHE_DIR=${CCACHE_DIR:-$PWD/build/ccache}; fi
  mkdir -p build
  cmake --preset "$preset" "${arguments[@]}" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    die "could not configure build/$preset"
  }
  cmake --build "build/$preset" --parallel "$(nproc)" "${targets[@]}" >&2 </dev/null || die "could not build build/$preset"
}

# build_programs TARGET...: what a person runs, from nothing: packages, configuration, build/release.
build_programs() {
  # GoogleTest is needed only where the tests have been asked for.
  local first_time=()
  install_missing demo
  [ -e build/release/CMakeCache.txt ] || first_time=(-D GPT2RUN_TESTS=OFF)
  say "building build/release"
  build release "${first_time[@]}" -- "$@" precisions/all samplers/all loaders/all sinks/all
}

# run_ctest PRESET [CTEST ARGUMENT...]: the tests of a build, one more at a time than there are processors, since some
# wait for most of their time.
run_ctest() {
  ctest --test-dir "build/$1" --parallel "$(($(nproc) + 1))" --no-tests=error --output-on-failure --timeout 600 "${@:2}" \
    </dev/null
}

# skipped_tests LOG: what did not run, with its reason, from ctest's own log.
skipped_tests() {
  awk '/: Skipped$/ { getline reason; next }
       /^\[  SKIPPED \] .* \([0-9]+ ms\)$/ { print "   skipped " $4 ": " reason; reason = "" }
       /^(# )?skipped: / { sub(/^# /, ""); print "   " $0 }' "$1"
}

# has_matplotlib: for one of the interpreters that plots.py tries.
has_matplotlib() {
  local python
  for python in python3 /usr/bin/python3; do
    if "$python" -c 'import importlib.util as u; raise SystemExit(not u.find_spec("matplotlib"))' 2>/dev/null; then return; fi
  done
  return 1
}
