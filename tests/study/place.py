"""A place where scripts/study.sh can run in seconds: this tree's scripts, programs of the build under test, and a model
of two layers where models/demo is. Nothing is installed or built there.
"""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models/demo"
MODEL = "synthetic:L=2,C=32,H=2,F=64,V=4096,T=64"  # the demo model's vocabulary
IS_BUILT = "build() { :; }\ninstall_missing() { :; }\n"


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


class Place:
    def __init__(self, folder, build):
        self.folder, self.bin = pathlib.Path(folder), pathlib.Path(folder) / "build/release/bin"
        shutil.copytree(ROOT / "scripts", self.folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        self.change_set_up(IS_BUILT)
        self.bin.mkdir(parents=True)
        for program in (build / "bin").glob("gpt2*"):
            (self.bin / program.name).symlink_to(program)
        self.model = self.folder / "models/demo"
        convert = [build / "bin/gpt2convert", "--model", MODEL, "--to", "huggingface", "--out", self.model]
        subprocess.run(convert, check=True, capture_output=True)
        for name in ("vocab.json", "merges.txt", "prompts.txt", "study.txt"):
            shutil.copy(DEMO / name, self.model)

    def change_set_up(self, text):
        with open(self.folder / "scripts/setup.sh", "a", encoding="utf-8") as file:
            file.write(text)

    def stub(self, path, script):
        """A program of its own in place of another; the one that was there is what is returned."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        real = os.readlink(path) if path.is_symlink() else None
        path.unlink(missing_ok=True)
        path.write_text("#!/usr/bin/env bash\n" + script, encoding="utf-8")
        path.chmod(0o755)
        return real

    def restore(self, path, real):
        (self.folder / path).unlink()
        (self.folder / path).symlink_to(real)

    def run(self, *command, path=os.environ["PATH"]):
        """In a process group of its own, with a bare environment."""
        environment = {"PATH": path, "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, start_new_session=True,
        )  # fmt: skip

    def study(self, *arguments):
        return self.run("scripts/study.sh", "--quick", *arguments)


def has_matplotlib():
    return subprocess.run(["bash", "-c", ". scripts/setup.sh; has_matplotlib"], cwd=ROOT, check=False).returncode == 0
