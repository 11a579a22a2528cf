"""docs.troubleshooting: every line that docs/troubleshooting.md explains is one that gpt2run says.

The parts of a line between `...` stand, in their order, in one message of docs/messages.txt or in one text of the sources.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
ROW = re.compile(r"^\| `([^`]+)` \| .+ \| .+ \|$")
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
FEWEST = 40


def messages():
    yield from (ROOT / "docs" / "messages.txt").read_text(encoding="utf-8").splitlines()
    for folder in ("apps", "core", "loaders", "plugins"):
        for path in sorted((ROOT / folder).rglob("*.[ch]pp")):
            # Texts of one message are joined, whatever stands between them: a message ends with its statement.
            for statement in path.read_text(encoding="utf-8").split(";\n"):
                texts = [text.replace('\\"', '"') for text in LITERAL.findall(statement)]
                yield "".join(texts)


def pattern(line):
    return re.compile(".*".join(re.escape(part.strip(" ")) for part in line.split("...")))


def unsaid(page, said):
    rows = [row.group(1) for row in map(ROW.match, page.splitlines()) if row]
    assert len(rows) >= FEWEST, f"{len(rows)} lines were found"
    return [line for line in rows if not any(pattern(line).search(message) for message in said)]


said = list(messages())
page = PAGE.read_text(encoding="utf-8")
assert unsaid(page + "\n| `no program says this` | why | what |\n", said)[-1:] == ["no program says this"]
missing = unsaid(page, said)
for line in missing:
    print(f"{PAGE.name}: no program says: {line}")
sys.exit(1 if missing else 0)
