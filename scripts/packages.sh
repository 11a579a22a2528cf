#!/usr/bin/env bash
# Makes the Debian packages from an archive of the last commit, in build/packages, and checks them. What this machine cannot
# do is skipped with the reason.
#   scripts/packages.sh            all parts, in this order
#   scripts/packages.sh PART...    some of them
# make       builds the archive outside of git, by the preset package, and packs it
# lintian    finds no error in them
# install    in a fresh Debian 12: they install, run the demo, and leave nothing when they are removed (root, debootstrap)
# container  the steps of the Containerfile, without an engine, in folders with a fresh Debian 12 (root, debootstrap)
# reproduce  a second build in another folder gives the same packages, byte for byte. nvcc makes names from the real path
#            of a source, so the package of the CUDA plugins is made again in the folder of the first build
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/setup.sh
. scripts/debian.sh

parts=(make lintian install container reproduce)
choose_parts "${parts[*]}" "$@"
work=$PWD/build/packages

skip() { say "skipped: $1: $2"; }

# pack FOLDER [CMAKE ARGUMENT...]: an archive of the last commit in that folder, built and packed there. Nothing is taken
# from the cache of compiled files: what nvcc compiled in another folder has names of that folder in it.
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
    SOURCE_DATE_EPOCH=$(git -C "$work" log -1 --format=%ct)
    export SOURCE_DATE_EPOCH CCACHE_DISABLE=1
    build package "$@"
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
  echo "$commit" >"$work/commit"
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

# expect_same PACKAGE FOLDER: the package that was built there has the same bytes.
expect_same() {
  cmp "$1" "$2/build/package/${1##*/}" || die "expected a second build to give the same bytes: ${1##*/}"
}

reproduce() {
  local package cuda=() same_place=$work/first
  [ "$(cat "$work/commit" 2>/dev/null)" = "$(git rev-parse HEAD)" ] ||
    die "reproduce: the packages in build/packages are not of the last commit: scripts/packages.sh make makes them"
  pack "$work/second/in another folder"
  for package in "$work"/*.deb; do
    if [[ ${package##*/} == gpt2run-cuda_* ]]; then
      cuda+=("$package")
    else
      expect_same "$package" "$work/second/in another folder"
    fi
  done
  [ ${#cuda[@]} -gt 0 ] || return 0
  pack "$same_place"
  expect_same "${cuda[0]}" "$same_place"
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
