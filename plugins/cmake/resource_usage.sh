#!/bin/sh
# resource_usage.sh COMPILER ARGUMENT... -o OBJECT ...
# Runs the CUDA compiler of a plugin. What ptxas reports about each kernel (-Xptxas=-v) is written to OBJECT.resources,
# where scripts/kernel_budget.py reads it. All other output goes to standard error as usual.
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
