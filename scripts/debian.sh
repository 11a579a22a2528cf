# Sourced by scripts/packages.sh: folders with a fresh Debian 12, made by debootstrap, commands in them, and the steps of a
# Containerfile in them, without an engine.
# shellcheck shell=bash

# can_make_debian: whether this machine can; why_not has the reason.
can_make_debian() {
  why_not=
  if [ "$(id -u)" -ne 0 ]; then
    why_not='debootstrap needs root'
  elif ! command -v debootstrap >/dev/null; then
    why_not='debootstrap is missing (package debootstrap)'
  elif ! unshare --mount true 2>/dev/null; then
    why_not='this system allows no mounts'
  elif [ ! -d build/packages/fresh ]; then
    mkdir -p build/packages
    rm -rf build/packages/fresh.part
    debootstrap --variant=minbase bookworm build/packages/fresh.part "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
      >build/packages/debootstrap.log 2>&1 </dev/null && mv build/packages/fresh.part build/packages/fresh ||
      why_not="debootstrap failed: $(tail -n 1 build/packages/debootstrap.log)"
  fi
  [ -z "$why_not" ]
}

# new_debian FOLDER: a copy of the fresh system.
new_debian() {
  rm -rf "$1"
  mkdir -p "$(dirname "$1")"
  cp -a build/packages/fresh "$1"
  cp /etc/resolv.conf "$1/etc/resolv.conf"
}

# in_debian FOLDER COMMAND: runs a line of sh there.
in_debian() {
  # The mount ends with the command.
  # shellcheck disable=SC2016  # "$1" and "$2" are for the inner shell
  unshare --mount sh -euc 'mount --rbind /proc "$1/proc"; exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$1" sh -euc "$2"' sh "$1" "$2" </dev/null
}

# container_steps CONTAINERFILE FOLDER: FROM debian:12, WORKDIR, COPY and RUN, and then the program of ENTRYPOINT on the demo
# model. Every stage is a folder below FOLDER. What is copied from outside are the files that git knows.
container_steps() {
  local file=$1 folder=$2 line root='' directory=/ step words said
  while IFS= read -r line; do
    read -r step line <<<"$line"
    read -ra words <<<"$line"
    case $step in
      '' | '#'*) ;;
      FROM)
        [ "${words[0]}" = debian:12 ] || die "$file: expected FROM debian:12, found ${words[0]}"
        root=$folder/${words[2]-last} directory=/
        new_debian "$root"
        ;;
      WORKDIR)
        directory=$line
        mkdir -p "$root$directory"
        ;;
      COPY)
        case $line in
          '. .') git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "$root$directory" ;;
          --from=*) cp -a "$folder/${words[0]#--from=}${words[1]}/." "$root${words[2]}" ;;
          *) die "$file: unknown COPY $line" ;;
        esac
        ;;
      RUN)
        say "RUN $line"
        in_debian "$root" "cd $directory && $line" >&2
        ;;
      ENTRYPOINT)
        read -ra words <<<"${line//[][\",]/ }"
        said=$(in_debian "$root" "cd $directory && ${words[*]} --prompt 'Once upon a time' --max-new-tokens 8")
        [[ $said == 'Once upon a time'* ]] || die "$file: expected a tale, found: $said"
        ;;
      *) die "$file: unknown step $step" ;;
    esac
  done < <(sed -e ':join' -e '/\\$/{N;s/\\\n *//;b join' -e '}' "$file")
  [ -n "$root" ] || die "$file: expected FROM debian:12"
  rm -rf "$folder"
}
