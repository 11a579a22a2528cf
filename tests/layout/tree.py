"""What the checks of this folder share: the project's files, C++ text without comments and strings, and the report.

A check is a function of one file's text, so that every rule is shown to fail on a broken sample before the tree is
looked at. Exit status: 0 clean, 1 a rule is broken or a sample was not caught, 77 the tool is missing (a visible skip).
"""

import os
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP_FOLDERS = ("core", "plugins", "precisions", "samplers", "loaders", "sinks", "apps", "python", "tests", "docs", "scripts", ".ci")
LIBRARIES = ("core/", "plugins/host/", "plugins/conformance/", "plugins/template/", "apps/common/", "python/", "docs/examples/", "precisions/", "samplers/", "loaders/", "sinks/")
CPP = (".hpp", ".cpp", ".cuh", ".cu")
HEADERS = (".hpp", ".cuh")
TEXT = CPP + (".py", ".sh", ".cmake", ".txt", ".md", ".map", ".ini", ".ipp", ".js", ".css", ".html")

TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-zA-Z_])\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def files(suffixes, folders=TOP_FOLDERS):
    """Paths relative to the root, as text, sorted; golden data, the frozen contract and caches are not ours to judge."""
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    if folders is TOP_FOLDERS:
        paths += ROOT.glob("*")
    found = []
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and path.suffix in suffixes and "/golden/" not in name and "/frozen/include/" not in name and "__pycache__" not in name:
            found.append(name)
    if not found:
        sys.exit(f"no files {suffixes} under {ROOT}")
    return sorted(found)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def without_comments(text, keep_strings=False):
    """Comments and the inside of strings gone, line breaks kept, so that line numbers stay true."""

    def blank(match):
        token = match.group(0)
        lines = "\n" * token.count("\n")
        if token.startswith("/"):
            return lines
        return token if keep_strings else '"' + lines + '"'

    return TOKENS.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def included(name, header):
    """The file of the tree that an include of ours means, or nothing."""
    top, folder = pathlib.PurePosixPath(name).parts[:2]
    for start in ("core/include", "plugins", "apps", pathlib.PurePosixPath(name).parent, pathlib.PurePosixPath(top, folder), top):
        path = os.path.normpath(pathlib.PurePosixPath(start) / header)
        if (ROOT / path).is_file():
            return path
    return None


def expect_caught(check, name, sample, word):
    """The rule's self-test: `check(name, sample)` must complain with `word` in its message."""
    messages = list(check(name, sample))
    if not any(word in message for message in messages):
        sys.exit(f"self-test: {name} with {sample!r} should be refused for '{word}', got {messages}")


def expect_clean(check, name, sample):
    messages = list(check(name, sample))
    if messages:
        sys.exit(f"self-test: {name} with {sample!r} should pass, got {messages}")


def report(messages):
    messages = list(messages)
    for message in messages:
        print(message)
    sys.exit(1 if messages else 0)


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)
