"""study.docs BUILD_FOLDER: every command that docs/study.md shows in a `sh` block runs, in the document's order, and says
something; the cells of docs/study.ipynb run one after another, on a machine that only seems to have a GPU and a network.
"""

import contextlib
import io
import json
import os
import pathlib
import re
import sys
import tempfile
import types

from place import ROOT, Place, expect, has_matplotlib

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"scripts/[\w.]+")
FOREIGN = re.compile(r"https?:|(?<![\w.~])/(?:" + "home|root|tmp|mnt|content)/")


def check_document(place):
    text = (ROOT / "docs/study.md").read_text(encoding="utf-8")
    commands = [line for block in BLOCK.findall(text) for line in block.splitlines() if not line.startswith("#")]
    expect(len(commands) > 3, "commands in docs/study.md, found", commands)
    for command in commands:
        done = place.run("bash", "-euc", command.replace("scripts/study.sh", "scripts/study.sh --quick"))
        expect(done.returncode == 0 and done.stdout + done.stderr, command, "to run and say something, found", done)


def cells_of(path):
    """Sources of the code cells of a notebook without results."""
    node = json.loads(path.read_text(encoding="utf-8"))
    expect(node["nbformat"] == 4 and {"nbformat_minor", "metadata", "cells"} <= set(node), path, "to be a notebook of format 4")
    expect(path.read_text(encoding="utf-8") == json.dumps(node, indent=1, ensure_ascii=False) + "\n", path, "as it is written by json.dumps")
    sources = []
    for cell in node["cells"]:
        text = "".join(cell["source"])
        expect(cell["cell_type"] in ("code", "markdown") and "metadata" in cell, "a kind of cell that is known, found", cell)
        expect(not FOREIGN.search(text), "no machine's path and no host in", text)
        for script in SCRIPT.findall(text):
            expect((ROOT / script).exists(), script, "to be there")
        if cell["cell_type"] == "code":
            expect(cell["outputs"] == [] and cell["execution_count"] is None, "no saved results in", text)
            sources.append(text)
    return sources


def pretend(place):
    """A GPU of capability 9.0, and a model that comes at once; what set-up is asked for is kept."""
    place.stub("bin/nvidia-smi", 'if [ $# -eq 0 ]; then echo a GPU; else echo 9.0; fi\n')
    place.change_set_up('build() { echo "build $*" >>asked.txt; }\n')
    place.stub("scripts/download_gpt2.sh", 'set -e\necho "download $*" >>asked.txt\ncp -r models/demo models/gpt2-124M\n')
    place.stub("scripts/demo.sh", "echo a tale\n")


def run_cells(place, sources, shown):
    display = types.ModuleType("IPython.display")
    display.Image, display.display = (lambda filename: filename), shown.append
    sys.modules |= {"IPython": types.ModuleType("IPython"), "IPython.display": display}
    os.chdir(place.folder / "docs")
    there = {}
    for source in sources:
        if source.startswith("%%bash\n"):
            script = source.removeprefix("%%bash\n").replace("scripts/study.sh", "scripts/study.sh --quick")
            done = place.run("bash", "-c", script, path=f"{place.folder}/bin:{os.environ['PATH']}")
            expect(done.returncode == 0, source, "to run, found", done)
        else:
            exec(compile(source, "cell", "exec"), there)  # pylint: disable=exec-used


def check_notebook(place):
    (place.folder / "docs").mkdir()
    pretend(place)
    shown, printed = [], io.StringIO()
    with contextlib.redirect_stdout(printed):
        run_cells(place, cells_of(ROOT / "docs/study.ipynb"), shown)
    asked = (place.folder / "asked.txt").read_text(encoding="utf-8").splitlines()
    expect("-D GPT2RUN_CUDA_ARCHITECTURES=90 " in asked[0], "a build for this GPU, found", asked)
    expect("download 124M" in asked, "GPT-2 to be fetched, found", asked)
    expect("PERPLEXITY" in printed.getvalue() and "cpu-bf16" in printed.getvalue(), "the tables to be printed")
    expect(len(shown) > 5 and all(pathlib.Path(name).is_file() for name in shown), "pictures to be shown, found", shown)


if not has_matplotlib():
    print("skipped: matplotlib is missing (package python3-matplotlib)")
    sys.exit(77)
for check in (check_document, check_notebook):
    with tempfile.TemporaryDirectory() as work:
        check(Place(pathlib.Path(work) / "place", pathlib.Path(sys.argv[1]).resolve()))
        os.chdir(ROOT)
