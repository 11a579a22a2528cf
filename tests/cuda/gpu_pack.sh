#!/usr/bin/env bash
# gpu_check.pack: what scripts/gpu_pack.sh takes along is small and is all that the sources reach: configured
# with it, no file that names a package reaches a header of one outside. ccache is missing there as well: no command
# begins with an empty word in its place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "$*" >&2
  cat "$work/said" >&2
  exit 1
}

# refused CODE WORDS ARGUMENT...: in one line.
refused() {
  local code=0
  scripts/gpu_pack.sh "${@:3}" >"$work/said" 2>&1 || code=$?
  [ "$code" -eq "$1" ] || fail "${*:3}: expected exit code $1, found $code"
  [ "$(wc -l <"$work/said")" -eq 1 ] || fail "${*:3}: expected one line"
  grep -qF -- "$2" "$work/said" || fail "${*:3}: expected '$2'"
}

refused 2 "unknown option '--folder'" --folder
refused 2 "one folder at most" "$work/a" "$work/b"
refused 2 "empty name" ''
# A folder of somebody else's is left as it is, one with the same packages too.
mkdir -p "$work/other/lib/cmake/GTest"
echo kept >"$work/other/lib/cmake/GTest/GTestConfig.cmake"
refused 1 "expected an empty folder or one that this script made" "$work/other"
[ "$(cat "$work/other/lib/cmake/GTest/GTestConfig.cmake")" = kept ] || fail "expected the folder to be left as it is"
refused 1 "expected a folder or nothing, found a file" "$work/said"
[ "$(ls "$work")" = "$(printf 'other\nsaid')" ] || fail "expected nothing to be made, found $(ls "$work")"
scripts/gpu_pack.sh --help >"$work/said" || fail "--help: expected exit code 0, found $?"
grep -q 'scripts/gpu_pack.sh \[FOLDER\]' "$work/said" || fail "--help: expected the usage"

# An empty folder, by a path from where the caller stands; then what it made is replaced.
mkdir "$work/deps"
script=$PWD/scripts/gpu_pack.sh
# A compiler that finds no header of a toolkit is a machine without one.
mkdir "$work/bare"
printf '#!/bin/sh\ncase "$*" in *" -I "*) exit 1 ;; esac\nexec "%s" "$@"\n' "$(command -v c++)" >"$work/bare/c++"
chmod +x "$work/bare/c++"
(cd "$work" && PATH=$work/bare:$PATH "$script" deps/ 2>said) || fail "an empty folder: expected exit code 0"
grep -q 'their headers are left out' "$work/said" || fail "expected to be told of headers that are left out"
[ ! -e "$work/deps/cuda" ] || fail "expected none of CUDA's headers"
touch "$work/deps/left"
scripts/gpu_pack.sh "$work/deps"
[ ! -e "$work/deps/left" ] || fail "expected an earlier pack to be replaced"
kilobytes=$(du -sk --apparent-size "$work/deps" | cut -f1)
[ "$kilobytes" -lt 32768 ] || { echo "expected less than 32 MiB, found $kilobytes KiB" >&2; exit 1; }

# Without precompiled headers every source is compiled alone, so that each is asked what it reaches.
cmake -S . -B "$work/build" -G Ninja -D CCACHE=OFF -D "CMAKE_PREFIX_PATH=$work/deps" -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
  >"$work/log" || { cat "$work/log" >&2; exit 1; }
if grep -E 'LAUNCHER = .*(""|ccache)' "$work/build/build.ninja"; then
  echo "expected no launcher but our own" >&2
  exit 1
fi
python3 -B - "$work" <<'END'
import json, os, re, shlex, subprocess, sys
work = sys.argv[1]
packages = "boost|spdlog|fmt|nlohmann|gtest|gmock"
missing = {"boost", "spdlog", "fmt", "nlohmann", "gtest", "gmock"}
asked = 0
for entry in json.load(open(f"{work}/build/compile_commands.json")):
    if not os.path.exists(entry["file"]):  # made by the build
        continue
    if entry["file"].endswith(".cu") or not re.search(rf"#include <({packages})/", open(entry["file"]).read()):
        continue
    words = [word for word in shlex.split(entry["command"]) if word != "-c"]
    at = words.index("-o")
    listing = subprocess.run(words[:at] + words[at + 2 :] + ["-M"], capture_output=True, text=True, cwd=entry["directory"])
    if listing.returncode != 0:
        sys.exit(listing.stderr)
    if outside := re.findall(rf"/usr/(?:local/)?include/(?:{packages})/\S+", listing.stdout):
        sys.exit(f"{entry['file']}: expected headers of the packages from the folder only, found {outside[0]}")
    missing -= set(re.findall(rf"/deps/(?:include|src/google\w+/include)/({packages})/", listing.stdout))
    asked += 1
if missing or asked < 30:
    sys.exit(f"expected files that reach every package, found {asked} files and none for {missing}")
END
