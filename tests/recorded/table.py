"""Reads commands.txt. Lines that begin with '#' are comments.

    NAME = VALUE            a text that stands in the commands below as $NAME
    name (mark, mark)       a case; marks may be left out
        command             one line for bash, run in the case's folder after the ones before it
"""

import re
import sys
from typing import NamedTuple

HEAD = re.compile(r"([a-z0-9-]+)(?: \(([a-z, ]+)\))?")
TEXT = re.compile(r"([A-Z][A-Z0-9]*) = (.+)")
USE = re.compile(r"\$([A-Z][A-Z0-9]*)")
# fast: a test runs it. prose: standard output is for people, so a difference is one of wording unless a number, a
# quotation or a word in capitals is another one. times: the numbers of standard output are times and rates.
MARKS = {"fast", "prose", "times"}


class Case(NamedTuple):
    name: str
    marks: frozenset
    commands: list


def read(path):
    cases, texts = [], {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            if not cases:
                sys.exit(f"{path.name}:{number}: a command before the first case")
            cases[-1].commands.append(USE.sub(lambda use: texts.get(use[1], use[0]), line.strip()))
        elif found := TEXT.fullmatch(line):
            texts[found[1]] = found[2]
        elif found := HEAD.fullmatch(line):
            marks = frozenset((found[2] or "").replace(",", " ").split())
            if marks - MARKS or any(case.name == found[1] for case in cases):
                sys.exit(f"{path.name}:{number}: an unknown mark, or a name that is there twice")
            cases.append(Case(found[1], marks, []))
        else:
            sys.exit(f"{path.name}:{number}: expected a case, a text or a command, found {line!r}")
    return cases


def chosen(cases, words):
    """Those that are called or marked as one of the words; all without words."""
    for word in words:
        if not any(word == case.name or word in case.marks for case in cases):
            raise ValueError(f"--only {word}: no case is called or marked so")
    return [case for case in cases if not words or case.name in words or case.marks & set(words)]
