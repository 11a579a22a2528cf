#!/bin/sh
# Writes the man page of a program and its completions for bash, zsh and fish from what its --help prints.
#   pages.sh PROGRAM_FILE FOLDER VERSION SUMMARY [SINKS]
# writes man/PROGRAM.1, bash/PROGRAM, zsh/_PROGRAM, fish/PROGRAM.fish. SINKS: those whose options belong to it.
set -eu
file=$1 folder=$2 version=$3 summary=$4 sinks=${5:-}
here=$(dirname "$0")
program=$(basename "$file")
mkdir -p "$folder/help" "$folder/man" "$folder/bash" "$folder/zsh" "$folder/fish"
help=$folder/help/$program.txt

# What it says on standard error is shown if it fails.
ask() { "$file" "$@" --help >>"$help" 2>"$help.err" </dev/null || { cat "$help.err" >&2 && exit 1; }; }
: >"$help"
ask
# A command with options of its own is named in the usage: (gpt2bench sweep --help).
commands=$(sed -n "s/.*($program \([a-z]*\) --help).*/\1/p" "$help")
for command in $commands; do ask "$command"; done
if [ -n "$sinks" ]; then
  "$file" --sink "$sinks" --help 2>"$help.err" </dev/null >"$help.sinks" || { cat "$help.err" >&2 && exit 1; }
  sed -n '/^sink /,/^$/p' "$help.sinks" >>"$help"
  rm "$help.sinks"
fi
rm "$help.err"

write() {
  awk -v program="$program" -v version="$version" -v summary="$summary" -f "$here/parse.awk" -f "$here/$1.awk" "$help" >"$folder/$1/$2"
}
write man "$program.1"
write bash "$program"
write zsh "_$program"
write fish "$program.fish"
