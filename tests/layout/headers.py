"""layout.headers COMPILER: every header of the contract and of the host compiles alone, and twice in one file."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile

import tree

FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++"]


def compile_alone(compiler, header):
    folders = ["-I", tree.ROOT / "core/include", "-I", tree.ROOT / "plugins", "-I", tree.ROOT / "apps"]
    command = [compiler, *FLAGS, *folders, "-include", header, "-include", header, os.devnull]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{header} does not compile alone:\n{done.stderr}"


def self_test(compiler):
    with tempfile.TemporaryDirectory() as folder:
        for name, sample in (("needs_string.hpp", "#pragma once\nstd::string name();\n"), ("twice.hpp", "int x = 1;\n")):
            path = os.path.join(folder, name)
            with open(path, "w", encoding="utf-8") as file:
                file.write(sample)
            if not compile_alone(compiler, path):
                sys.exit(f"self-test: {sample!r} should not compile alone")


compiler_path = sys.argv[1]
self_test(compiler_path)
contract = [tree.ROOT / name for name in tree.files(tree.HEADERS, ("core/include", "plugins/host", "plugins/conformance", "apps/common"))]
with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    tree.report(message for message in pool.map(lambda h: compile_alone(compiler_path, h), contract) if message)
