"""readme.commands BUILD_FOLDER: every command that README.md, docs/plugins.md and docs/inside.md show in a `sh` block runs, with
this build, and says something. What README.md shows of gpt2run's output is what it prints, numbers aside, and so is what docs/inside.md
shows of gpt2run's and gpt2compare's.

Each command runs in an empty folder with a bare environment, where build/release is the build under test.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import tree

DOCUMENTS = ("README.md", "docs/plugins.md", "docs/inside.md")
SHOW = {"README.md": (2, "gpt2run"), "docs/inside.md": (3, "gpt2run|gpt2compare")}  # how many outputs of which programs are compared
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```sh\n([^\n]*)\n```\n+```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
DEMO = re.compile(r"^```text\n(?:== building [^\n]*\n)?== (build/release/bin/gpt2run [^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def commands(text):
    return [line for block in BLOCK.findall(text) for line in block.splitlines() if not line.startswith("#")]


def start(command, build):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, "build"))
        os.symlink(build, os.path.join(folder, "build/release"))
        environment = {"PATH": os.environ["PATH"], "HOME": folder}
        return subprocess.run(
            ["bash", "-euc", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )


def run(command, build):
    """What went wrong, or nothing."""
    done = start(command, build)
    if done.returncode != 0:
        return [f"{command}\n  ended with {done.returncode}: {done.stderr.decode(errors='replace')}"]
    return [] if done.stdout + done.stderr else [f"{command}\n  said nothing"]


def differs(shown, printed):
    """The first part of `shown`, which [...] separates, that is not in `printed`: line breaks and numbers may be others."""
    bare = [NUMBER.sub("#", " ".join(text.split())) for text in (shown, printed)]
    at = 0
    for part in (part.strip() for part in bare[0].split("[...]")):
        at = bare[1].find(part, at)
        if at < 0:
            return part
        at += len(part)
    return None


def check_shown(name, fewest, programs, build):
    """Standard output of the programs, as the document shows it: messages on standard error are left out."""
    text = tree.read(name)
    blocks = SHOWN.findall(text) + DEMO.findall(text)
    blocks = [(command, shown) for command, shown in blocks if re.match(f"build/release/bin/({programs}) ", command)]
    if len(blocks) < fewest:
        yield f"{name}: expected the output of {fewest} commands of {programs}, found {len(blocks)}"
    for command, shown in blocks:
        expected = "".join(line for line in shown.splitlines(True) if not re.match(f"({programs}): ", line))
        part = differs(expected, start(command, build).stdout.decode(errors="replace"))
        if part is not None:
            yield f"{name}: {command}\n  does not print what is shown: {part}"


def check_demo(text):
    """The command that scripts/demo.sh is shown to run is the one that stands there."""
    script = tree.read("scripts/demo.sh")
    for command, _ in DEMO.findall(text):
        for word in shlex.split(command)[1:]:
            if word not in script:
                yield f"README.md: '{word}' of {command} is not in scripts/demo.sh"


build_folder = pathlib.Path(sys.argv[1]).resolve()
if not run("build/release/bin/no-such-program", build_folder):
    sys.exit("self-test: a program that is not there should be reported")
if differs("a 1\nb [...] d", "a 22 b c d") or not differs("a c", "a b c") or not differs("b [...] a", "a b"):
    sys.exit("self-test: texts are compared wrongly")
for document in DOCUMENTS:
    if not commands(tree.read(document)):
        sys.exit(f"{document} shows no command")
found = [message for document in DOCUMENTS for command in commands(tree.read(document)) for message in run(command, build_folder)]
shown = [message for name, (fewest, programs) in SHOW.items() for message in check_shown(name, fewest, programs, build_folder)]
tree.report([*found, *check_demo(tree.read("README.md")), *shown])
