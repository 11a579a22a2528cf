"""python.docs: the blocks of docs/python.md run one after another, and print what the page shows, numbers aside."""

import contextlib
import io
import os
import re

import support
from support import ROOT, main

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:e[-+]?\d+)?")


def bare(text):
    """Without what another processor or version of numpy prints differently: numbers, blanks and line ends."""
    return re.sub(r"\s+", "", NUMBER.sub("#", text))


class Docs(support.Test):
    def test_the_page(self):
        text = (ROOT / "docs/python.md").read_text(encoding="utf-8")
        blocks = BLOCK.findall(text)
        self.assertEqual(len(blocks), text.count("```python"))
        os.chdir(ROOT)
        names = {}
        for code, shown in blocks:
            out = io.StringIO()
            with self.subTest(code), contextlib.redirect_stdout(out):
                exec(compile(code, "docs/python.md", "exec"), names)
                if shown:
                    self.assertEqual(bare(out.getvalue()), bare(shown))


if __name__ == "__main__":
    main()
