#!/usr/bin/env bash
# scripts.demo_page SOURCE_FOLDER: "scripts/demo.sh --page" starts a server whose page is there, and passes arguments on.
set -euo pipefail
cd "$1"
output=$(mktemp)
trap 'rm -f "$output"' EXIT

scripts/demo.sh --page --port 0 --quiet >"$output" &
server=$!
for _ in $(seq 600); do
  if grep -q '^http://' "$output" || ! kill -0 "$server" 2>/dev/null; then break; fi
  sleep 0.1
done
address=$(grep '^http://127' "$output")
python3 - "$address" <<'CHECK'
import json
import sys
import urllib.request

page = urllib.request.urlopen(sys.argv[1] + "/").read().decode()
models = json.load(urllib.request.urlopen(sys.argv[1] + "/v1/models"))["data"]
if "<!DOCTYPE html>" not in page or len(models) < 2 or not all(model["has_floor"] for model in models):
    sys.exit(f"expected the page and several precisions with a floor, found {page[:100]} {models}")
CHECK
kill -TERM "$server"
wait "$server"
