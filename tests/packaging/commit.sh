#!/usr/bin/env bash
# packaging.commit SOURCE CMAKE: the commit that --version tells, in a clone, in an archive that git made of it, in a copy
# of the files alone, and in a folder within another repository.
set -euo pipefail
source=$1 cmake=$2
command -v git >/dev/null || { echo 'skipped: git is missing (package git)'; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset GIT_DIR GIT_WORK_TREE
export HOME=$folder GIT_CONFIG_NOSYSTEM=1

# expect NAME TOP_FOLDER COMMIT: what the script writes for the sources in a folder.
expect() {
  "$cmake" -D SOURCE="$2" -D OUT="$folder/commit.cpp" -P "$source/apps/common/program/commit.cmake"
  if ! grep -qF "set_commit(\"$3\")" "$folder/commit.cpp"; then
    printf '%s: expected the commit "%s" in:\n%s\n' "$1" "$3" "$(<"$folder/commit.cpp")"
    exit 1
  fi
}

made=$folder/clone/apps/common/program
mkdir -p "$made"
cp "$source/apps/common/program/.gitattributes" "$made"
# In an archive of the sources git has replaced what stands in the file.
placeholder="\$Format:%H\$"
grep -qxE "[\$]Format:%H[\$]|[0-9a-f]{40}" "$source/apps/common/program/commit.txt" ||
  { echo 'expected commit.txt to be what git replaces' && exit 1; }
echo "$placeholder" >"$made/commit.txt"
cd "$folder/clone"
git init -q
expect 'a clone without commits' "$folder/clone" unknown
git add .
git -c user.name=test -c user.email=test@example.org commit -qm one
commit=$(git rev-parse HEAD)
commit=${commit:0:12}
expect 'a clone' "$folder/clone" "$commit"

mkdir "$folder/archive"
git archive HEAD | tar -x -C "$folder/archive"
expect 'an archive' "$folder/archive" "$commit"

mkdir "$folder/clone/within"
cp -r "$folder/clone/apps" "$folder/clone/within"
expect 'a copy within another repository' "$folder/clone/within" unknown
