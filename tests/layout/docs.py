"""layout.docs: the documents name only what is there: files, links between documents, names in the code, and in README.md
quotations of code that a test compiles."""

import pathlib
import re

import tree

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)")
QUOTE = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:" + "|".join(map(re.escape, tree.ROOMS + ("models",))) + r")/[\w./-]*")
NAME = re.compile(r"[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*(?:\(\))?")

CODE = "\n".join(tree.read(name) for name in tree.files(tree.CPP + (".cmake", ".txt")))
WORDS = set(re.findall(r"\w+", CODE)) | {path.stem for path in tree.ROOT.glob("*/*") if path.is_dir()}


def judge(span):
    if PATH.fullmatch(span):
        return None if (tree.ROOT / span).exists() else f"`{span}` is not there"
    if NAME.fullmatch(span):
        word = span.removesuffix("()").split("::")[-1]
        return None if word in WORDS else f"`{span}` is no name in the code"
    return None


def check(name, text):
    if name == "README.md":
        for found in QUOTE.finditer(text):
            if found.group(1) not in CODE:
                yield f"{name}:{tree.line_of(text, found.start())}: this code stands in no source file"
    text = BLOCK.sub(lambda block: "\n" * block.group(0).count("\n"), text)
    for found in SPAN.finditer(text):
        message = judge(found.group(1))
        if message:
            yield f"{name}:{tree.line_of(text, found.start())}: {message}"
    for found in LINK.finditer(text):
        target = found.group(1)
        if "://" not in target and not (tree.ROOT / pathlib.PurePath(name).parent / target).exists():
            yield f"{name}:{tree.line_of(text, found.start())}: the link {target} leads nowhere"


def self_test():
    tree.expect_caught(check, "docs/x.md", "see `core/engine/nothing.cpp`", "is not there")
    tree.expect_caught(check, "docs/x.md", "call `Run::" + "dance_wildly`", "no name in the code")
    tree.expect_caught(check, "docs/x.md", "[here](nowhere.md)", "leads nowhere")
    tree.expect_caught(check, "README.md", "```cpp\nint no_such" + "_thing;\n```\n", "in no source file")
    tree.expect_clean(check, "docs/x.md", "`core/engine/generate.cpp`, `gpt2_forward`, [tour](tour.md), `a b`\n```\n`x`\n```\n")


self_test()
tree.report(message for name in tree.files((".md",)) for message in check(name, tree.read(name)))
