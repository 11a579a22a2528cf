#!/usr/bin/env python3
"""Makes docs/messages.txt anew: what the tests see of the messages to users. Read the difference before you commit it.

    scripts/messages.py [BUILD]             builds and runs the tests that look at messages; BUILD is build/release
                                            unless given, and configured with -D GPT2RUN_TESTS=ON
    scripts/messages.py check PROGRAM...    whether the list has the form that this script gives it, and a part for each
                                            of these programs and for no other

A test that does not run here, because it needs another user or a library, keeps its lines. tests/support/messages.hpp
compares with the list.
"""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "messages.txt"
HEAD = """\
# What gpt2run tells a user when something is wrong or worth knowing, as its tests see it. Tests assert what a user
# needs of a message, as the option and the file; its sentence stands only here, so that a better one costs one line.
# Made by scripts/messages.py, and never by hand: run it when you have changed a message, and read the difference.
#
# [test program], below it the tests, and below each what it sees: [exit code], where it ran a program, and the message.
# A name before the exit code or the message is that of the test's parameter. In angle brackets stands what changes from
# run to run and from machine to machine.
"""


class Trouble(Exception):
    """One line for the user."""


def parse(text):
    """{program: {heading: [line, ...]}}; lines keep their two blanks."""
    parts, tests, lines = {}, {}, []
    for line in text.splitlines():
        if line.startswith("["):
            tests = parts.setdefault(line.strip("[]"), {})
        elif line.startswith("  "):
            lines.append(line)
        elif line and not line.startswith("#"):
            lines = tests.setdefault(line, [])
    return parts


def rendered(parts):
    text = HEAD
    for program, tests in sorted(parts.items()):
        text += f"\n[{program}]\n"
        for heading, lines in sorted(tests.items()):
            if lines:
                text += heading + "\n" + "".join(f"{line}\n" for line in sorted(set(lines)))
    return text


def begin_of(parameter):
    return f"  {parameter}: " if parameter else "  "


def part_of(records, old):
    """What one program recorded, and of `old` the lines of its tests that did not run. records: [kind, heading, rest]."""
    tests, did_run = collections.defaultdict(list), set()
    for kind, heading, rest in records:
        if kind == "ran":
            did_run.add((heading, rest))
        elif kind == "saw":
            tests[heading].append(rest)
    for kind, heading, rest in records:
        if kind == "is" and (heading, rest) not in did_run:
            tests[heading] += [line for line in old.get(heading, []) if line.startswith(begin_of(rest))]
    return tests


def labelled(build):
    """The programs that look at messages, by the sources as they are now."""
    subprocess.run(["cmake", build], stdout=subprocess.DEVNULL, check=True)
    done = subprocess.run(["ctest", "--test-dir", build, "-N", "-L", "^messages$"], capture_output=True, text=True, check=False)
    names = [line.split(": ")[1] for line in done.stdout.splitlines() if line.lstrip().startswith("Test ") and ": " in line]
    if not names:
        raise Trouble(f"{build}: no test has the label messages: configure it with cmake --preset release -D GPT2RUN_TESTS=ON")
    return names


def renew(build):
    names = labelled(build)
    jobs = str(len(os.sched_getaffinity(0)))
    subprocess.run(["cmake", "--build", build, "--parallel", jobs, "--target", *(f"test_{name}" for name in names)], check=True)
    with tempfile.TemporaryDirectory() as folder:
        ctest = ["ctest", "--test-dir", build, "-L", "^messages$", "--parallel", jobs, "--output-on-failure", "--timeout", "600"]
        subprocess.run(ctest, check=True, env={**os.environ, "GPT2RUN_MESSAGES": folder})
        seen = {path.name: path.read_text(encoding="utf-8") for path in pathlib.Path(folder).iterdir()}
    old = parse(LIST.read_text(encoding="utf-8")) if LIST.exists() else {}
    parts = {}
    for name, text in seen.items():
        records = [line.split("\t", 2) for line in text.splitlines()]
        parts[name] = part_of(records, old.get(name, {}))
    unused = sorted(name for name in names if not any(parts.get(name, {}).values()))
    if unused:
        raise Trouble(f"{', '.join(unused)}: links gpt2run_messages and looks at no message")
    LIST.write_text(rendered(parts), encoding="utf-8")
    print(f"wrote docs/messages.txt: {sum(len(set(lines)) for tests in parts.values() for lines in tests.values())} messages")


def check(names):
    text = LIST.read_text(encoding="utf-8")
    parts = parse(text)
    if set(filter(parts.get, parts)) != set(names):
        odd = ", ".join(sorted(set(filter(parts.get, parts)) ^ set(names)))
        raise Trouble(f"docs/messages.txt: expected a part for each program with messages, it differs in {odd}: run scripts/messages.py")
    if rendered(parts) != text:
        raise Trouble("docs/messages.txt: was edited by hand: run scripts/messages.py")


def self_test():
    parts = {"b": {"S.T": ["  x: two", "  x: one", "  y: three"]}, "a": {"S.T": ["  [2] a: error: no"]}}
    again = parse(rendered(parts))
    if list(again) != ["a", "b"] or again["b"]["S.T"] != ["  x: one", "  x: two", "  y: three"]:
        raise Trouble(f"self-test: the list is not read as it was written: {again}")
    records = [["ran", "S.T", "x"], ["saw", "S.T", "  x: new"], ["is", "S.T", "x"], ["is", "S.T", "y"]]
    if dict(part_of(records, parts["b"])) != {"S.T": ["  x: new", "  y: three"]}:
        raise Trouble("self-test: a test that did not run should keep its lines, and no other one")


def main(arguments):
    self_test()
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
    elif arguments[:1] == ["check"]:
        check(arguments[1:])
    elif len(arguments) > 1:
        raise Trouble(f"expected one build folder at most, found {len(arguments)} arguments; --help shows the usage")
    else:
        renew(arguments[0] if arguments else str(ROOT / "build" / "release"))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Trouble as trouble:
        sys.exit(f"scripts/messages.py: {trouble}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"scripts/messages.py: {error.cmd[0]} failed; docs/messages.txt is as it was")
