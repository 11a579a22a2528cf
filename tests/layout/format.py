"""layout.format: clang-format 14 would change nothing."""

import shutil
import subprocess
import sys

import tree


def find_clang_format():
    for name in ("clang-format-14", "clang-format"):
        path = shutil.which(name)
        if path and " version 14." in subprocess.run([path, "--version"], capture_output=True, text=True).stdout:
            return path
    return tree.skip("clang-format 14 is missing (package clang-format)")


def complaints(tool, arguments, text=None):
    command = [tool, "--style=file", "--dry-run", "--Werror", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, cwd=tree.ROOT, check=False)
    if done.returncode == 0:
        return []
    return [line for line in done.stderr.splitlines() if ": error: " in line] or [done.stderr]


clang_format = find_clang_format()
if not complaints(clang_format, ["--assume-filename=core/engine/sample.cpp"], "int  f( int x ){return x ;}\n"):
    sys.exit("self-test: a badly spaced line should be refused")
tree.report(complaints(clang_format, tree.files(tree.CPP)))
