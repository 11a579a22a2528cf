"""layout.docs: the documents name only what is there: files, links between documents and to headings, names in the code.
Of a name like `Class::member` the class must be declared and have that member. C++ that they show stands in a source file; of a change that they show the old lines stand in none, and the new ones do."""

import pathlib
import re

import tree

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
QUOTE = re.compile(r"^```cpp\n(.*?)^```", re.MULTILINE | re.DOTALL)
CHANGE = re.compile(r"^```diff\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"(?:" + "|".join(map(re.escape, tree.TOP_FOLDERS + ("models",))) + r")/[\w./-]*")
NAME = re.compile(r"[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*(?:\(\))?")

FILES = {name: tree.read(name) for name in tree.files(tree.CPP + (".cmake", ".txt")) + tree.files((".py",), ("python",))}
CODE = "\n".join(FILES.values())
SHIPPED = "\n".join(text for name, text in FILES.items() if not name.startswith("tests/"))  # without the tests' own names
LINES = {line.strip() for line in CODE.splitlines()}
WORDS = set(re.findall(r"\w+", CODE)) | {path.stem for path in tree.ROOT.glob("*/*") if path.is_dir()}


def has_member(scope, member):
    """Whether a class, struct, enum or namespace of that name has the member in its braces, or defines it behind them."""
    if re.search(rf"\b{scope}::{member}\b", SHIPPED):
        return True
    for found in re.finditer(rf"\b(?:class|struct|union|enum|namespace)\s+{scope}\b[^;{{}}()]*{{", SHIPPED):
        depth, at = 1, found.end()
        while depth > 0 and at < len(SHIPPED):
            depth += (SHIPPED[at] == "{") - (SHIPPED[at] == "}")
            at += 1
        if re.search(rf"\b{member}\b", SHIPPED[found.end() : at]):
            return True
    return False


def judge(span):
    if PATH.fullmatch(span):
        return None if (tree.ROOT / span).exists() else f"`{span}` is not there"
    if NAME.fullmatch(span):
        *scopes, word = span.removesuffix("()").split("::")
        is_there = has_member(scopes[-1], word) if scopes and scopes[0] != "std" else word in WORDS
        return None if is_there else f"`{span}` is no name in the code"
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
    tree.expect_caught(check, "docs/x.md", "call `No" + "SuchClass::step`", "no name in the code")
    tree.expect_caught(check, "docs/x.md", "[here](nowhere.md)", "leads nowhere")
    tree.expect_caught(check, "docs/x.md", "# One\n[here](#two)", "leads to no heading")
    tree.expect_caught(check, "docs/x.md", "```cpp\nint no_such" + "_thing;\n```\n", "in no source file")
    tree.expect_caught(check, "docs/x.md", "```diff\n+int no_such" + "_thing;\n```\n", "should be in")
    tree.expect_caught(check, "docs/x.md", "```diff\n-#pragma once\n```\n", "should not be in")
    tree.expect_clean(check, "docs/x.md", "# One, two: `x`\n[here](#one-two-x)\n```diff\n-int no_such" + "_thing;\n+#pragma once\n```\n")
    tree.expect_clean(check, "docs/x.md", "`core/engine/generate.cpp`, `gpt2_forward`, [tour](tour.md), `a b`\n```\n`x`\n```\n")


self_test()
tree.report(message for name in tree.files((".md",)) for message in check(name, tree.read(name)))
