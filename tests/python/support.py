"""What the tests of the Python package share. A test is started as FILE BUILD_FOLDER, and skips where there is no numpy."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
PACKAGE = BUILD / "python"
DEMO = ROOT / "models/demo"
STUDY = DEMO / "study.txt"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


if not importlib.util.find_spec("numpy"):
    skip(f"there is no numpy in {sys.executable}")
sys.path.insert(0, str(PACKAGE))


def run(name, *arguments, code=0):
    """Standard output of a program of the build."""
    command = [BUILD / "bin" / name, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != code:
        sys.exit(f"{command}: expected {code}, found {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done.stdout.decode()


def continued(*arguments):
    """What gpt2run makes of a command line: a dict for each sequence, as the sink jsonl writes them."""
    lines = run("gpt2run", "--model", DEMO, "--sink", "jsonl", "--quiet", *arguments)
    return [json.loads(line) for line in lines.splitlines()]


def python(script, *arguments, variables=None, **options):
    """Another Python with the package, and what came of it. variables: those to add to the environment."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})}
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False, **options,
    )  # fmt: skip


class Test(unittest.TestCase):
    def check_sequence(self, completion, expected):
        """A Completion is what gpt2run wrote."""
        self.assertEqual(completion.tokens.tolist(), expected["tokens"])
        self.assertEqual(completion.text, expected["text"])
        self.assertEqual(completion.finish_reason, expected["finish_reason"])

    def check_silent(self, done):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


main = unittest.main
