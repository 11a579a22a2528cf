#!/usr/bin/env bash
# gpu_check.pack: what scripts/gpu_pack.sh takes along is small and is all that the sources reach: configured
# with it, no file that names a package reaches a header of one outside. ccache is missing there as well: no command
# begins with an empty word in its place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/gpu_pack.sh "$work/deps"
kilobytes=$(du -sk --apparent-size "$work/deps" | cut -f1)
[ "$kilobytes" -lt 32768 ] || { echo "expected less than 32 MiB, found $kilobytes KiB" >&2; exit 1; }

cmake -S . -B "$work/build" -G Ninja -D CCACHE=OFF -D "CMAKE_PREFIX_PATH=$work/deps" \
  >"$work/log" || { cat "$work/log" >&2; exit 1; }
if grep -E 'LAUNCHER = .*(""|ccache)' "$work/build/build.ninja"; then
  echo "expected no launcher but our own" >&2
  exit 1
fi
python3 -B - "$work" <<'END'
import json, re, shlex, subprocess, sys
work = sys.argv[1]
packages = "boost|spdlog|fmt|nlohmann|gtest|gmock"
missing = {"boost", "spdlog", "fmt", "nlohmann", "gtest", "gmock"}
asked = 0
for entry in json.load(open(f"{work}/build/compile_commands.json")):
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
