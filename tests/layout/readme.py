"""readme.commands BUILD_FOLDER: every command that README.md shows in a `sh` block runs, with this build, and says something.

Each runs in an empty folder with a bare environment, where build/release is the build under test.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import tree

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text):
    return [line for block in BLOCK.findall(text) for line in block.splitlines() if not line.startswith("#")]


def run(command, build):
    """What went wrong, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "build"))
        os.symlink(build, os.path.join(folder, "build/release"))
        environment = {"PATH": os.environ["PATH"], "HOME": folder}
        done = subprocess.run(
            ["bash", "-euc", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    if done.returncode != 0:
        return [f"{command}\n  ended with {done.returncode}: {done.stderr.decode(errors='replace')}"]
    return [] if done.stdout + done.stderr else [f"{command}\n  said nothing"]


build_folder = pathlib.Path(sys.argv[1]).resolve()
if not run("build/release/bin/no-such-program", build_folder):
    sys.exit("self-test: a program that is not there should be reported")
shown = commands(tree.read("README.md"))
if not shown:
    sys.exit("README.md shows no command")
tree.report(message for command in shown for message in run(command, build_folder))
