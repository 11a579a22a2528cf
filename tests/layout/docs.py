"""layout.docs: the documents name only what is there: files, links between documents and to headings, names in the code.
C++ that they show stands in a source file; of a change that they show the old lines stand in none, and the new ones do."""

import pathlib
import re

import tree

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
QUOTE = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHANGE = re.compile(r"^```diff\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:" + "|".join(map(re.escape, tree.ROOMS + ("models",))) + r")/[\w./-]*")
NAME = re.compile(r"[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*(?:\(\))?")

CODE = "\n".join(tree.read(name) for name in tree.files(tree.CPP + (".cmake", ".txt")))
LINES = {line.strip() for line in CODE.splitlines()}
WORDS = set(re.findall(r"\w+", CODE)) | {path.stem for path in tree.ROOT.glob("*/*") if path.is_dir()}


def judge(span):
    if PATH.fullmatch(span):
        return None if (tree.ROOT / span).exists() else f"`{span}` is not there"
    if NAME.fullmatch(span):
        word = span.removesuffix("()").split("::")[-1]
        return None if word in WORDS else f"`{span}` is no name in the code"
    return None


def anchors(text):
    """Of the headings, as Git hosts make them."""
    titles = HEADING.findall(BLOCK.sub("", text))
    return {"#" + re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_code(name, text):
    for found in QUOTE.finditer(text):
        if found.group(1) not in CODE:
            yield f"{name}:{tree.line_of(text, found.start())}: this code stands in no source file"
    for found in CHANGE.finditer(text):
        at = tree.line_of(text, found.start())
        for line in found.group(1).splitlines():
            at += 1
            if (line[1:].strip() in LINES) == line.startswith("-"):
                yield f"{name}:{at}: this line should {'not ' if line.startswith('-') else ''}be in a source file: {line}"


def check_link(name, text, path, anchor):
    file = (tree.ROOT / pathlib.PurePath(name).parent / path) if path else None
    if file and not file.exists():
        return f"the link {path} leads nowhere"
    if anchor and anchor not in anchors(file.read_text(encoding="utf-8") if file else text):
        return f"the link {path}{anchor} leads to no heading"
    return None


def check(name, text):
    yield from check_code(name, text)
    bare = BLOCK.sub(lambda block: "\n" * block.group(0).count("\n"), text)
    for found in SPAN.finditer(bare):
        message = judge(found.group(1))
        if message:
            yield f"{name}:{tree.line_of(bare, found.start())}: {message}"
    for found in LINK.finditer(bare):
        message = None if "://" in found.group(1) else check_link(name, text, *found.groups())
        if message:
            yield f"{name}:{tree.line_of(bare, found.start())}: {message}"


def self_test():
    tree.expect_caught(check, "docs/x.md", "see `core/engine/nothing.cpp`", "is not there")
    tree.expect_caught(check, "docs/x.md", "call `Run::" + "dance_wildly`", "no name in the code")
    tree.expect_caught(check, "docs/x.md", "[here](nowhere.md)", "leads nowhere")
    tree.expect_caught(check, "docs/x.md", "# One\n[here](#two)", "leads to no heading")
    tree.expect_caught(check, "docs/x.md", "```cpp\nint no_such" + "_thing;\n```\n", "in no source file")
    tree.expect_caught(check, "docs/x.md", "```diff\n+int no_such" + "_thing;\n```\n", "should be in")
    tree.expect_caught(check, "docs/x.md", "```diff\n-#pragma once\n```\n", "should not be in")
    tree.expect_clean(check, "docs/x.md", "# One, two: `x`\n[here](#one-two-x)\n```diff\n-int no_such" + "_thing;\n+#pragma once\n```\n")
    tree.expect_clean(check, "docs/x.md", "`core/engine/generate.cpp`, `gpt2_forward`, [tour](tour.md), `a b`\n```\n`x`\n```\n")


self_test()
tree.report(message for name in tree.files((".md",)) for message in check(name, tree.read(name)))
