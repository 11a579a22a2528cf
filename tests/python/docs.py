"""python.docs: the blocks of docs/python.md run one after another, and print what the page shows. [...] stands for anything."""

import contextlib
import io
import os
import re

import support
from support import ROOT, main

BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)


def pattern(shown):
    """Text as it is printed: line breaks and blanks may be others, [...] is anything."""
    parts = [re.escape(" ".join(part.split())) for part in shown.split("[...]")]
    return ".*".join(parts).replace(r"\ ", r"\s*")


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
                    self.assertRegex(" ".join(out.getvalue().split()), f"^{pattern(shown)}$", out.getvalue())


if __name__ == "__main__":
    main()
