#!/usr/bin/env bash
# Makes the Debian packages from an archive of the last commit, in build/packages, and checks them. What this machine cannot
# do is skipped with the reason.
#   scripts/packages.sh            all parts, in this order
#   scripts/packages.sh PART...    some of them
# make       builds the archive outside of git, by the preset package, and packs it
# lintian    finds no error in them
# install    in a fresh Debian 12: they install, run the demo, and leave nothing when they are removed (root, debootstrap)
# container  the steps of the Containerfile, without an engine, in folders with a fresh Debian 12 (root, debootstrap)
# reproduce  a second build in another folder gives the same packages. nvcc makes names from the real path of a source, so
#            the CUDA plugins are built again where they were
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/debian.sh

parts=(make lintian install container reproduce)
choose_parts "${parts[*]}" "$@"
work=$PWD/build/packages

skip() { say "skipped: $1: $2"; }

# build_package [CMAKE ARGUMENT...] [-- TARGET...]: the preset package in the working folder. Nothing is taken from the cache
# of compiled files, where names could be those of another folder.
build_package() {
  SOURCE_DATE_EPOCH=$(git -C "$work" log -1 --format=%ct)
  export SOURCE_DATE_EPOCH CCACHE_DISABLE=1
  build package "$@"
}

# pack FOLDER [CMAKE ARGUMENT...]: an archive of the last commit in that folder, built and packed there.
pack() {
  local folder=$1
  shift
  rm -rf "$folder"
  mkdir -p "$folder"
  git archive HEAD | tar -x -C "$folder"
  # Debian's own Python, where it has what the module needs.
  if /usr/bin/python3 -m nanobind --cmake_dir >/dev/null 2>&1; then set -- -D Python_EXECUTABLE=/usr/bin/python3 "$@"; fi
  (
    cd "$folder"
    build_package "$@"
    cpack --preset package >build/cpack.log 2>&1 </dev/null || { cat build/cpack.log >&2 && die 'cpack failed'; }
  )
}

make_packages() {
  pack "$work/first"
  rm -f "$work"/*.deb
  cp "$work"/first/build/package/*.deb "$work"
  ls -l "$work"/*.deb >&2
  local commit
  commit=$(git rev-parse HEAD)
  [[ $("$work/first/build/package/bin/gpt2run" --version) == *"(commit ${commit:0:12})" ]] ||
    die "expected the archive's programs to tell the commit $commit"
}

run_lintian() {
  command -v lintian >/dev/null || { skip lintian 'it is missing (package lintian)' && return; }
  lintian --allow-root --fail-on error --tag-display-limit 0 "$work"/*.deb
}

# In the new system, as a person would.
install_packages() {
  can_make_debian || { skip install "$why_not" && return; }
  local root=$work/debian said
  new_debian "$root"
  mkdir "$root/packages"
  cp "$work"/*.deb "$root/packages"
  in_debian "$root" 'apt-get -qq update && apt-get -qq install -y --no-install-recommends /packages/*.deb' >&2
  said=$(in_debian "$root" 'runuser -u nobody -- gpt2run --prompt "Once upon a time" --max-new-tokens 8; gpt2plugins list;
    gpt2run-plugin-check /usr/lib/gpt2run/gpt2run-sampler-nucleus.so;
    if [ -d /usr/lib/python3/dist-packages/gpt2run ]; then python3 -c "import gpt2run
print(gpt2run.load().generate(\"Once upon a time\", max_new_tokens=8))"; fi')
  [[ $said == 'Once upon a time'* && $said == *mirostat* ]] || die "expected a tale and a list of plugins, found: $said"
  in_debian "$root" 'apt-get -qq purge -y "gpt2run*" "python3-gpt2run*"' >&2
  said=$(in_debian "$root" 'find / -xdev -name "*gpt2run*" -not -path "/packages/*" -not -path "/proc/*" -not -path "/var/lib/apt/*" -not -path "/var/cache/*"')
  [ -z "$said" ] || die "expected nothing after the packages were removed, found: $said"
  rm -rf "$root"
}

run_container() {
  can_make_debian || { skip container "$why_not" && return; }
  container_steps Containerfile "$work/container"
}

reproduce() {
  local package
  pack "$work/second/in another folder"
  for package in "$work"/*.deb; do
    [[ ${package##*/} != gpt2run-cuda_* ]] || continue
    cmp "$package" "$work/second/in another folder/build/package/${package##*/}" ||
      die "expected a second build to give the same bytes: ${package##*/}"
  done
  if compgen -G "$work/gpt2run-cuda_*.deb" >/dev/null; then reproduce_cuda; fi
}

# The plugins of the package gpt2run-cuda, built again in the folder of the first build, and stripped as they are there.
reproduce_cuda() {
  local unpacked=$work/gpt2run-cuda plugin plugins=()
  rm -rf "$unpacked" "$work/first/build"
  dpkg-deb -x "$work"/gpt2run-cuda_*.deb "$unpacked"
  for plugin in "$unpacked"/usr/lib/gpt2run/*; do plugins+=("$(basename "$plugin" .so)"); done
  (
    cd "$work/first"
    build_package -D GPT2RUN_PYTHON=OFF -- "${plugins[@]}"
    cmake --install build/package --component cuda --strip --prefix "$work/gpt2run-cuda/again" >/dev/null
  )
  diff -r "$unpacked/usr/lib" "$unpacked/again/lib" ||
    die "expected a second build to give the same bytes: the plugins of gpt2run-cuda"
  rm -rf "$unpacked"
}

if [ ! -e .git ]; then
  skip 'all parts' 'packages are made from a commit, and this is no clone of the repository'
  exit
fi
for part in "${chosen[@]}"; do
  [ "$part" = make ] || [ "$part" = container ] || compgen -G "$work/*.deb" >/dev/null ||
    die "$part: there are no packages in build/packages: scripts/packages.sh make makes them"
  say "packages: $part"
  case $part in
    make) make_packages ;;
    lintian) run_lintian ;;
    install) install_packages ;;
    container) run_container ;;
    reproduce) reproduce ;;
  esac
done
