"""Registers and spills of every CUDA kernel against tests/cuda/kernel_budget.tsv.

    scripts/kernel_budget.py check BUILD    compares what a build's compiler said; 77 when nothing can be compared
    scripts/kernel_budget.py renew BUILD    makes the table anew from it, after a kernel has changed

BUILD is a build folder with CUDA plugins for compute capability 9.0: build/release. The table holds for one version of
the toolkit, named in its first line; of another only spills are looked at. A spill that the table allows is a debt.
"""

import pathlib
import re
import subprocess
import sys

TABLE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "cuda" / "kernel_budget.tsv"
SCRIPT = "scripts/kernel_budget.py"
ARCHITECTURE = "sm_90"
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(\w+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers")


class Trouble(Exception):
    """One line for the user."""


def demangled(names):
    try:
        done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise Trouble("c++filt is missing: it comes with the C++ compiler (binutils)") from error
    return dict(zip(names, map(short, done.stdout.splitlines())))


def short(name):
    """product_kernel<__half, 8, 4> of void gpt2run::cuda::product_kernel<__half, 8, 4>(float const*)."""
    name = name.replace("(anonymous namespace)::", "").replace("gpt2run::cuda::", "").replace("gpt2run::", "")
    depth = 0
    for at, mark in enumerate(name):
        depth += {"<": 1, ">": -1}.get(mark, 0)
        if mark == "(" and depth == 0:
            name = name[:at]
            break
    return name.removeprefix("void ")


def read_build(build):
    """{(plugin, kernel): (registers, spilled bytes)} of a build folder."""
    found = {}
    for file in sorted(build.glob("*/CMakeFiles/gpt2run-*.cuda.dir/**/*.resources")):
        plugin = next(part for part in file.parts if part.endswith(".cuda.dir")).removesuffix(".cuda.dir")
        plugin = plugin.removeprefix("gpt2run-")
        entry = None
        for line in file.read_text().splitlines():
            if match := ENTRY.search(line):
                entry = match.group(1) if match.group(2) == ARCHITECTURE else None
                spilled = 0
            elif (match := FRAME.search(line)) and entry:
                spilled = int(match.group(2)) + int(match.group(3))
            elif (match := USED.search(line)) and entry:
                found[plugin, entry] = (int(match.group(1)), spilled)
                entry = None
    names = demangled(sorted({entry for _, entry in found}))
    return {(plugin, names[entry]): used for (plugin, entry), used in sorted(found.items())}


def toolkit_of(build):
    for file in build.glob("CMakeFiles/*/CMakeCUDACompiler.cmake"):
        if match := re.search(r'CMAKE_CUDA_COMPILER_VERSION "(\d+\.\d+)', file.read_text()):
            return match.group(1)
    return ""


def read_table():
    """(toolkit, {(plugin, kernel): (most registers, most spilled bytes)})."""
    lines = TABLE.read_text().splitlines()
    match = re.fullmatch(rf"# nvcc (\S+), {ARCHITECTURE}, .*", lines[0]) if lines else None
    if not match:
        raise Trouble(f"{TABLE}: expected a first line '# nvcc VERSION, {ARCHITECTURE}, ...'")
    most = {}
    for number, line in enumerate(lines[1:], 2):
        parts = line.split("\t")
        if len(parts) != 4 or not (parts[2] + parts[3]).isdigit():
            wanted = "plugin, kernel, registers and spilled bytes"
            raise Trouble(f"{TABLE}:{number}: expected {wanted} with tabs between, found {line!r}")
        most[parts[0], parts[1]] = (int(parts[2]), int(parts[3]))
    return match.group(1), most


def complaints(found, most, same_toolkit):
    for (plugin, kernel), (registers, spilled) in sorted(found.items()):
        where = f"{plugin}: {kernel}"
        most_registers, most_spilled = most.get((plugin, kernel), (0, 0))
        if spilled > most_spilled:
            yield f"{where}: expected at most {most_spilled} spilled bytes, found {spilled}"
        if same_toolkit and (plugin, kernel) not in most:
            yield f"{where}: expected a line in the table, found none ({registers} registers)"
        elif same_toolkit and registers > most_registers:
            yield f"{where}: expected at most {most_registers} registers, found {registers}"
    for plugin, kernel in sorted(set(most) - set(found)) if same_toolkit else ():
        yield f"{plugin}: {kernel}: expected such a kernel, found none"


def check(build):
    found, toolkit = read_build(build), toolkit_of(build)
    if not found:
        print(f"skipped: {build} has no CUDA plugins compiled for {ARCHITECTURE}")
        return 77
    table_toolkit, most = read_table()
    same = toolkit == table_toolkit
    messages = list(complaints(found, most, same))
    for message in messages:
        print(message)
    if messages:
        print(f"{len(messages)} beside {TABLE.name}; if it is meant: {SCRIPT} renew {build}")
        return 1
    if not same:
        print(f"skipped: registers, which the table has for nvcc {table_toolkit} and not {toolkit}; no more is spilled")
        return 77
    print(f"{len(found)} kernels within their registers and spills")
    return 0


def renew(build):
    found = read_build(build)
    if not found:
        raise Trouble(f"{build} has no CUDA plugins compiled for {ARCHITECTURE}")
    lines = [f"# nvcc {toolkit_of(build)}, {ARCHITECTURE}, most registers and spilled bytes of a thread: {SCRIPT} renew"]
    lines += [f"{plugin}\t{kernel}\t{used[0]}\t{used[1]}" for (plugin, kernel), used in sorted(found.items())]
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{TABLE.name}: {len(found)} kernels")
    for (plugin, kernel), used in found.items():
        if used[1]:
            print(f"{plugin}: {kernel} spills {used[1]} bytes")
    return 0


def main(arguments):
    actions = {"check": check, "renew": renew}
    if len(arguments) != 2 or arguments[0] not in actions:
        print(f"usage: {SCRIPT} check|renew BUILD", file=sys.stderr)
        return 2
    try:
        return actions[arguments[0]](pathlib.Path(arguments[1]))
    except (Trouble, OSError) as error:
        print(f"{SCRIPT}: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
