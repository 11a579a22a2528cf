"""study.docs BUILD_FOLDER: every command that docs/study.md shows in a `sh` block runs, in the document's order, and says
something.
"""

import pathlib
import re
import sys
import tempfile

from place import ROOT, Place, expect, has_matplotlib

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def check_document(place):
    text = (ROOT / "docs/study.md").read_text(encoding="utf-8")
    commands = [line for block in BLOCK.findall(text) for line in block.splitlines() if not line.startswith("#")]
    expect(len(commands) > 3, "commands in docs/study.md, found", commands)
    for command in commands:
        done = place.run("bash", "-euc", command.replace("scripts/study.sh", "scripts/study.sh --quick"))
        expect(done.returncode == 0 and done.stdout + done.stderr, command, "to run and say something, found", done)


if not has_matplotlib():
    print("skipped: matplotlib is missing (package python3-matplotlib)")
    sys.exit(77)
with tempfile.TemporaryDirectory() as work:
    check_document(Place(pathlib.Path(work) / "place", pathlib.Path(sys.argv[1]).resolve()))
