"""layout.headers COMPILER: every header of the contract, of the host and of the programs compiles alone, and twice in one
file.

A header that a source file includes before anything else compiles alone where the tree compiles with neither precompiled
headers nor joined sources (scripts/test_all.sh clang), so of these only `#pragma once` is looked for. The others are compiled here.
"""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

import tree

FOLDERS = ("core/include", "plugins", "apps")
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]


def compile_alone(compiler, header):
    folders = [f"-I{tree.ROOT / folder}" for folder in FOLDERS]
    command = [compiler, *FLAGS, *folders, "-include", header, "-include", header, os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{header} does not compile alone:\n{done.stderr}"


def first_include(text):
    """The header of ours that a source includes before anything else, or nothing; code in front of it counts as nothing."""
    found = tree.INCLUDE.search(text)
    is_first = found and found.group(1) == '"' and not tree.without_comments(text[: found.start()]).strip()
    return found.group(2) if is_first else ""


def included_first():
    """The headers that the tree's sources include before anything else, relative to the root."""
    first = {name: first_include(tree.read(name)) for name in tree.files((".cpp",), tree.TOP_FOLDERS[:7])}
    return {tree.included(name, header) for name, header in first.items() if header}


def self_test(compiler):
    samples = (('// a\n#include "a.hpp"\n#include <b.hpp>\n', "a.hpp"), ('int x;\n#include "a.hpp"\n', ""), ("", ""), ('#include <b.hpp>\n#include "a.hpp"\n', ""))
    for text, expected in samples:
        if first_include(text) != expected:
            sys.exit(f"self-test: expected {expected!r} first in {text!r}, found {first_include(text)!r}")
    with tempfile.TemporaryDirectory() as folder:
        for name, sample in (("needs_string.hpp", "#pragma once\nstd::string name();\n"), ("twice.hpp", "int x = 1;\n")):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(sample)
            if not compile_alone(compiler, path):
                sys.exit(f"self-test: {sample!r} should not compile alone")


compiler_path = sys.argv[1]
self_test(compiler_path)
contract = tree.files(tree.HEADERS, ("core/include", "plugins/host", "plugins/conformance", "apps/common"))
compiled = included_first()
alone = [header for header in contract if header not in compiled or "#pragma once" not in tree.read(header)]
if not len(contract) / 2 > len(alone) > 0:
    sys.exit(f"self-test: expected that sources include most of {len(contract)} headers first, found that they do not for {len(alone)}")
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    tree.report(message for message in pool.map(lambda h: compile_alone(compiler_path, tree.ROOT / h), alone) if message)
