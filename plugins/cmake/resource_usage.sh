#!/bin/sh
# Launches the CUDA compiler of a plugin: resource_usage.sh COMPILER ARGUMENT... -o OBJECT ...
# What ptxas says of every kernel (-Xptxas=-v) goes to OBJECT.resources, where scripts/kernel_budget.py reads it, and all
# other words to standard error as ever.
previous='' object=''
for argument; do
  if [ "$previous" = -o ]; then object=$argument; fi
  previous=$argument
done
if [ -z "$object" ]; then exec "$@"; fi
"$@" 2>"$object.said"
code=$?
about='^ptxas info|bytes stack frame,'
grep -E "$about" "$object.said" >"$object.resources"
grep -vE "$about" "$object.said" >&2
rm -f "$object.said"
exit "$code"
