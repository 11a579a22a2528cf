"""record.py: runs the commands of commands.txt and keeps every byte of their results, so that two versions can be held
against each other.

    record.py [--only WORD] [--jobs N] BIN_FOLDER OUT_FOLDER   runs them with the programs of BIN_FOLDER
    record.py --compare OLD NEW                                 two such folders

OUT_FOLDER must be new or empty. Every case runs in a folder of its own, and what it wrote stays there. Nothing is
changed in what is kept: times and paths are made alike by the comparison (compare.py), so that a better comparison
needs no new recording. The bits of a run depend on the processor and some texts on how many there are, so record both
sides on one machine. Nothing recorded is committed.

--only WORD takes the cases that are called so or marked so; it may be given several times.

Exit status of a recording: 0 done, 2 wrong arguments. A command that fails is a result like any other. Exit status of a
comparison: 0 alike, 1 results differ, 3 only the wording of messages differs, 2 wrong arguments.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import compare
import table

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INPUTS = {"demo": ROOT / "models/demo", "golden": ROOT / "tests/golden/models", "evaluation": ROOT / "tests/golden/evaluation"}
SECONDS = 300  # for one command; one that takes longer is ended and has the exit status "timeout"


def environment_of(bin_folder):
    """A bare environment, the same for every user and terminal."""
    return {
        "PATH": f"{bin_folder}:/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "GPT2RUN_FSYNC": "0",
        "IN": "../../../inputs",  # from the folder of a case
        "BUILD": str(bin_folder.parent),
        "DEVICE": "../../../device/bin",
        # Open MPI wants to be told that root and few cores are meant.
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
    }


def run(command, folder, environment):
    """Exit status as text, standard output, standard error."""
    process = subprocess.Popen(
        ["bash", "-c", "set -uo pipefail\n" + command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=SECONDS)
        return str(process.returncode), out, err
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        return "timeout", out, err


def record_case(case, out, environment):
    """Runs the commands of one case, one after the other in the same folder. Gives the seconds that they took."""
    begin = time.monotonic()
    folder = out / "cases" / case.name
    files = folder / "files"
    files.mkdir(parents=True)
    for number, command in enumerate(case.commands, 1):
        status, written, said = run(command, files, environment | {"HOME": str(files)})
        (folder / f"{number}.command").write_text(command + "\n", encoding="utf-8")
        (folder / f"{number}.exit").write_text(status + "\n", encoding="utf-8")
        (folder / f"{number}.stdout").write_bytes(written)
        (folder / f"{number}.stderr").write_bytes(said)
    return time.monotonic() - begin


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def lay_out_inputs(folder):
    """Copies, so that every path that a command names lies in the recording."""
    shutil.copytree(HERE / "inputs", folder)
    for name, source in INPUTS.items():
        shutil.copytree(source, folder / name)


def lay_out_device(build, folder):
    """Programs beside which the plugins of tests/cuda stand in place of the CUDA plugins that need a GPU."""
    plugins = [file for file in (build / "lib/gpt2run").glob("*.so") if not file.name.endswith(".cuda.so")]
    plugins += (build / "tests/cuda").glob("*.test.so")
    (folder / "bin").mkdir(parents=True)
    (folder / "lib/gpt2run").mkdir(parents=True)
    for program in ("gpt2run", "gpt2bench", "gpt2compare", "gpt2perplexity"):
        shutil.copy2(build / "bin" / program, folder / "bin")
    for file in plugins:
        shutil.copy2(file, folder / "lib/gpt2run")


def record(bin_folder, out, cases, jobs):
    out.mkdir(parents=True, exist_ok=True)
    lay_out_inputs(out / "inputs")
    if any("$DEVICE" in command for case in cases for command in case.commands):
        lay_out_device(bin_folder.parent, out / "device")
    # Paths that differ between two recordings, and what the comparison calls them. The models of a build may be a link.
    models = bin_folder.parent / "share/gpt2run/models"
    places = [
        [str(out), "{out}"],
        [str(models), "{models}"],
        [str(models.resolve()), "{models}"],
        [str(ROOT / "models"), "{models}"],
        [str(bin_folder.parent), "{build}"],
        [str(ROOT), "{source}"],
    ]
    environment = environment_of(bin_folder)
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        seconds = list(pool.map(lambda case: record_case(case, out, environment), cases))
    about = {
        "places": places,
        "processor": processor(),
        "cases": {case.name: sorted(case.marks) for case in cases},
        "seconds": {case.name: round(spent, 2) for case, spent in zip(cases, seconds)},
    }
    # The last file to be written: a folder without it is no whole recording.
    (out / "recording.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    commands = sum(len(case.commands) for case in cases)
    print(f"{commands} commands in {len(cases)} cases, {time.monotonic() - begin:.0f} s")


def arguments_of(parser):
    parser.add_argument("--compare", action="store_true", help="compare two recordings")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="cases called or marked so")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="cases at a time")
    parser.add_argument("first", type=pathlib.Path, help="folder with the programs, or the old recording")
    parser.add_argument("second", type=pathlib.Path, help="folder to record into, or the new recording")
    return parser.parse_args()


def main():
    parser = argparse.ArgumentParser(description="Records the results of the commands in commands.txt, or compares.")
    given = arguments_of(parser)
    first, second = given.first.resolve(), given.second.resolve()
    if given.compare:
        for folder in (first, second):
            if not (folder / "recording.json").is_file():
                parser.error(f"{folder}: expected a whole recording, found no recording.json")
        sys.exit(compare.report(first, second))
    if not (first / "gpt2run").is_file():
        parser.error(f"{first}: expected a folder with the programs, found no gpt2run")
    if second.exists() and any(second.iterdir()):
        parser.error(f"{second}: expected a new or empty folder")
    try:
        cases = table.chosen(table.read(HERE / "commands.txt"), given.only)
    except ValueError as error:
        parser.error(str(error))
    record(first, second, cases, max(1, given.jobs))


if __name__ == "__main__":
    main()
