"""faults BUILD_FOLDER [options]: programs whose calls fail, and what they leave.

Each run has one fault, which the library inject.cpp causes. Whatever it is, the program ends within a time limit; with exit
code 0 its results are those of a run without a fault; otherwise it writes one line "NAME: error: ..." and nothing else than
a whole result stands under a result's name; and no temporary file is left, unless the process was killed.
The runs are a list that a seed chooses, as long as the budget of seconds or runs lasts, after the fixed cases of known faults.
"""

import argparse
import concurrent.futures
import itertools
import os
import pathlib
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time

import scenarios
from scenarios import GROUPS, PATIENCE, Outcome

# What may happen to a call of each group. ":on" means that all later calls of the group fail as well.
FAULTS = {
    "memory": ["null", "null", "null:on", "null:on", "SIGTERM", "SIGTERM", "SIGINT", "SIGKILL"],
    "open": ["EMFILE", "EMFILE:on", "ENOSPC", "EACCES", "EINTR", "EIO", "SIGTERM"],
    "read": ["EIO", "EIO:on", "EINTR", "short", "short:on", "SIGTERM"],
    "write": ["ENOSPC", "ENOSPC:on", "EIO", "EINTR", "EFBIG", "short", "short:on", "SIGTERM", "SIGINT", "SIGKILL"],
    "close": ["EIO", "ENOSPC", "EINTR", "SIGTERM", "SIGKILL"],
    "rename": ["EIO", "EACCES", "ENOSPC", "SIGTERM", "SIGKILL"],
    "sync": ["EIO", "ENOSPC", "EINTR", "EINVAL", "EROFS", "SIGTERM", "SIGKILL"],
    "map": ["ENOMEM", "ENOMEM:on"],
    "look": ["EIO", "EACCES", "EIO:on"],
    "folder": ["EIO", "EIO:on"],
    "make": ["ENOSPC", "EACCES"],
    "thread": ["EAGAIN", "EAGAIN:on"],
}

# Faults that were found and mended: the scenario, the group of calls, which of them as a share of all, what happens, and
# the exit code, or None where any will do that is no violation.
KNOWN = [
    ("print", "memory", 0, "null:on", 1),  # the line of an error takes memory, too
    ("print", "memory", 0.5, "null:on", 1),
    ("encode", "memory", 0, "null:on", 1),
    ("pack", "write", 0, "SIGTERM", -signal.SIGTERM),  # a program that does not watch for signals
    ("pack", "rename", 0, "SIGINT", -signal.SIGINT),
    ("convert-int8", "look", 0.8, "EIO:on", 1),  # a search for the folder that is there never ended
    ("run", "memory", 0, "SIGTERM", -signal.SIGTERM),
    ("run", "sync", 0, "EIO", 1),
    ("run", "sync", 0, "EINVAL", 0),  # a pipe or a device
    ("convert-gguf", "sync", 0, "EROFS", 0),
    ("convert-gguf", "sync", 1, "EIO", 1),
    ("repeat", "read", 0.5, "short:on", 0),
]


def counts_of(path):
    """How many calls of each group a run made, and how many of them failed."""
    data = path.read_bytes()
    numbers = [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    return dict(zip((*GROUPS, "failed"), numbers))


class Driver:
    def __init__(self, build, library, folder):
        self.build, self.library, self.folder = build, library, folder
        self.scenarios = scenarios.all_of(build, folder)
        self.names = itertools.count()

    def run(self, scenario, fault=""):
        """Runs a scenario in a folder of its own. Returns the outcome, and the counts of calls."""
        folder = self.folder / f"run{next(self.names)}"
        counts = self.folder / f"{folder.name}.counts"
        counts.write_bytes(bytes(8 * (len(GROUPS) + 1)))
        (folder / "out").mkdir(parents=True)
        for name, content in scenario.old.items():
            (folder / name).write_bytes(content)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LD_PRELOAD": str(self.library),
            "FAULT_COUNTS": str(counts),
        }
        if fault:
            environment["FAULT"] = fault
        try:
            outcome = scenario.run(folder, environment)
            return outcome, counts_of(counts)
        finally:
            subprocess.run(["rm", "-rf", folder, counts], check=True)

    def measure(self):
        """A run without a fault for each scenario: what is right, and how many calls there are."""
        for scenario in self.scenarios.values():
            scenario.right, scenario.counts = self.run(scenario)
            wrong = list(violations(scenario, "", scenario.right))
            if wrong or scenario.right.code != 0:
                sys.exit(f"{scenario.name}: expected a run without faults, found {wrong} {scenario.right}")

    def known(self):
        for name, group, share, what, code in KNOWN:
            if name in self.scenarios:
                scenario = self.scenarios[name]
                yield scenario, f"{group}:{max(1, int(share * scenario.counts[group]))}:{what}", code

    def cases(self, seed):
        """Scenario, fault, and the exit code that is expected, here None for any, without an end. Each round has every kind of fault of every scenario once."""
        chance = random.Random(seed)
        kinds = [
            (scenario, group, what)
            for scenario in self.scenarios.values()
            for group, faults in FAULTS.items()
            for what in faults
            if scenario.counts[group] > 0
        ]
        while True:
            chance.shuffle(kinds)
            for scenario, group, what in kinds:
                yield scenario, f"{group}:{chance.randint(1, scenario.counts[group])}:{what}", None


def violations(scenario, fault, outcome: Outcome, code=None):
    """What is wrong with a run, in words. code: the exit code that it should have, or None."""
    if code is not None and outcome.code != code:
        yield f"expected exit code {code}"
    lines = outcome.errors.splitlines()
    errors = [line for line in lines if line.startswith(f"{scenario.program}: error: ")]
    signals = [number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL) if number.name in fault]
    if signals and scenario.may_refuse:
        signals.append(signal.SIGTERM)  # which a server gets at last, as its second one perhaps
    if outcome.hung:
        yield f"it was still running after {PATIENCE} seconds"
    elif outcome.code < 0 and -outcome.code not in signals:
        yield f"it died of signal {-outcome.code}"
    elif outcome.code > 0 and (len(errors) != 1 or lines[-1:] != errors):
        yield "expected one line of an error, at the end"
    elif outcome.code == 0 and errors:
        yield "an error, and exit code 0"
    for line in lines:
        if not line.startswith(f"{scenario.program}: "):
            yield f"a line that is not the program's: {line!r}"
    if outcome.code == 0 and scenario.right:
        for name in sorted(set(outcome.files) | set(scenario.right.files)):
            if not outcome.files.get(name) and name == scenarios.STDOUT and scenario.may_refuse:
                continue
            if outcome.files.get(name) != scenario.right.files.get(name):
                yield f"exit code 0, and {name} is not what it should be"
    for name, content in outcome.files.items():
        if ".tmp" in name:
            if outcome.code != -signal.SIGKILL:
                yield f"{name} is left"
        elif scenario.right and name != scenarios.STDOUT and content not in (scenario.right.files.get(name), scenario.old.get(name)):
            yield f"{name} is half-written"


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=30, help="how long faults are tried")
    parser.add_argument("--runs", type=int, help="how many are tried, however long they take")
    parser.add_argument("--seed", type=int, default=1, help="which are tried")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--scenario", action="append", help="only this one; may be repeated")
    parser.add_argument("--fault", help="only this one, such as memory:200:null, in all scenarios")
    parser.add_argument("--all", metavar="GROUP:WHAT", help="this fault at every call, such as read:EIO")
    return parser.parse_args(arguments)


def chosen_cases(driver, options):
    """The cases that a command line asks for."""
    every = list(driver.scenarios.values())
    if options.fault:
        return [(scenario, options.fault, None) for scenario in every]
    if options.all:
        group, _, what = options.all.partition(":")
        return [(one, f"{group}:{n}:{what}", None) for one in every for n in range(1, one.counts[group] + 1)]
    cases = itertools.chain(driver.known(), driver.cases(options.seed))
    if options.runs:
        return itertools.islice(cases, options.runs)
    end = time.monotonic() + options.seconds
    return itertools.takewhile(lambda _: time.monotonic() < end, cases)


def main(arguments):
    options = parse(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A shell starts background jobs with SIGINT ignored, which the programs would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    library = options.build / "tests/faults/libfault.so"
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        driver = Driver(options.build, library.resolve(), pathlib.Path(folder))
        if options.scenario:
            driver.scenarios = {name: driver.scenarios[name] for name in options.scenario}
        driver.measure()
        source = iter(chosen_cases(driver, options))
        tried = failed = wrong = 0

        def work(case):
            scenario, fault, code = case
            outcome, counts = driver.run(scenario, fault)
            return scenario, fault, outcome, counts, list(violations(scenario, fault, outcome, code))

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            running = {pool.submit(work, case) for case in itertools.islice(source, options.jobs)}
            while running:
                done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                for scenario, fault, outcome, counts, found in (one.result() for one in done):
                    tried += 1
                    failed += counts["failed"] > 0
                    if found:
                        wrong += 1
                        print(f"--scenario {scenario.name} --fault {fault}: exit code {outcome.code}")
                        for what in found:
                            print(f"    {what}")
                        print("".join(f"    | {line}\n" for line in outcome.errors.splitlines()[-4:]), end="", flush=True)
                    running |= {pool.submit(work, case) for case in itertools.islice(source, 1)}
        print(f"{tried} runs, a call failed in {failed} of them, {wrong} violations")
        return 1 if wrong or failed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
