"""The machine code of every CUDA kernel: rules, and counts of instructions against tests/cuda/kernel_code.tsv.

    scripts/kernel_code.py check BUILD    the code in a build's plugins; 77 when nothing can be looked at
    scripts/kernel_code.py renew BUILD    makes the table anew from it, after a kernel has changed
    scripts/kernel_code.py self-test      tries the rules on code that breaks them
    scripts/kernel_code.py tools          says where the two tools below are; 77 when one of them is missing

BUILD is a build folder with CUDA plugins for compute capability 9.0: build/release. cuobjdump and nvdisasm are looked for
on PATH, beside nvcc, among Python's packages (nvidia-cuda-cuobjdump, nvidia-cuda-nvdisasm), and in build/cuda_tools, where
scripts/test.sh installs these packages. The rules hold for every version of the toolkit, the counts for the one that the
table's first line names.
"""

import collections
import glob
import os
import pathlib
import re
import shutil
import subprocess
import sys

from kernel_budget import ARCHITECTURE, Trouble, demangled, toolkit_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "cuda" / "kernel_code.tsv"
SCRIPT = "scripts/kernel_code.py"
FUNCTION = re.compile(r"^\s*Function : (\w+)")
INSTRUCTION = re.compile(r"^\s*/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
UPPER_HALF = re.compile(r"^\s*/\* 0x([0-9a-f]{16}) \*/")  # of an instruction's 16 bytes, on a line of its own
# What is counted, besides all instructions: by its whole name (atomic operations, fences), by the width of an access,
# and by the first part of its name.
WHOLE = re.compile(r"ATOM|RED\b|RED\.|MEMBAR|CCTL|ACQBULK|PREEXIT")
MEMORY = re.compile(r"(LDG|STG|LDS|STS|LDL|STL|LDGSTS|LD|ST)(?=\.|$)")
WIDTH = re.compile(r"\.(128|64|U16|S16|U8|S8)(?=\.|$)")
NAMED = "BAR BRA DADD DFMA DMUL DSETP FADD FFMA FMUL HMMA LDGDEPBAR DEPBAR MUFU SHFL STAS SYNCS UCGABAR_ARV UCGABAR_WAIT VOTE WARPSYNC".split()
WIDE_LOADS = ("LDG.128", "LDGSTS.128")
WAITS = "waits for weights"  # before the sums of a layernorm

# The least number of loads of 16 bytes: a product's weights, the keys and values of attention.
LEAST_WIDE = ((re.compile(r"(product|logits)_kernel<"), 4), (re.compile(r"attention_kernel<64, "), 8), (re.compile(r"attention_kernel<0, "), 2))

# Kernels whose blocks send to each other within a cluster, for which a fence is not needed and costs more than the rest.
SENDING = re.compile(r"attention_kernel<.*\(Join\)0>")


def tools():
    """(cuobjdump, an environment in which it finds nvdisasm), or None."""
    folders = os.environ.get("PATH", "").split(os.pathsep) + ["/usr/local/cuda/bin"]
    for path in [*filter(None, sys.path), str(ROOT / "build" / "cuda_tools")]:
        folders += glob.glob(path + "/nvidia/*/bin")
    path = os.pathsep.join(folders)
    found = [shutil.which(name, path=path) for name in ("cuobjdump", "nvdisasm")]
    if None in found:
        return None
    return found[0], {**os.environ, "PATH": path}


def counted_as(name):
    """The column of an instruction's name, or None: LDG.E.EF.128 is LDG.128, ATOMS.CAST.SPIN.64 is itself."""
    if WHOLE.match(name):
        return name
    if match := MEMORY.match(name):
        width = WIDTH.search(name)
        return f"{match.group(1)}.{width.group(1) if width else '32'}"
    first = name.split(".")[0]
    return first if first in NAMED else None


class Waits:
    """How many instructions wait for weights before the first sum in double, which is a layernorm's.

    An instruction that loads names one of six scoreboards, and a later one waits for any of them by a mask; both are in
    its upper half. Weights are the loads that caches evict first (EF). Of an asynchronous copy, DEPBAR waits.
    """

    def __init__(self):
        self.weights, self.found, self.ended = 0, 0, False

    def see(self, name, upper_half):
        if self.ended or name.startswith(("DADD", "DFMA")):
            self.ended = True
            return
        control = upper_half >> 41
        scoreboard, mask = control >> 5 & 7, control >> 11 & 63
        if name.startswith("DEPBAR") or mask & self.weights:
            self.found += 1
        if name.startswith("LDG.") and ".EF" in name and scoreboard < 6:
            self.weights |= 1 << scoreboard

    def before_sums(self):
        return self.found if self.ended else 0


def count(lines):
    """{function: Counter} of the words of cuobjdump -sass."""
    functions, own, waits, name = {}, None, None, None
    for line in lines:
        if match := FUNCTION.match(line):
            own, waits, name = functions.setdefault(match.group(1), collections.Counter()), Waits(), None
        elif own is not None and (match := INSTRUCTION.match(line)):
            name = match.group(1)
            own["all"] += 1
            if column := counted_as(name):
                own[column] += 1
        elif name and (match := UPPER_HALF.match(line)):
            waits.see(name, int(match.group(1), 16))
            own[WAITS] = waits.before_sums()
            name = None
    return {function: +counts for function, counts in functions.items()}


def read_build(build, tool, environment):
    """{(plugin, kernel): Counter} of a build's plugins."""
    found = {}
    for file in sorted(build.glob("lib/gpt2run/*.cuda.so")):
        command = [tool, "-sass", "-arch", ARCHITECTURE, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            raise Trouble(f"{' '.join(command)}: {done.stderr.strip() or 'failed'}")
        plugin = file.name.removeprefix("gpt2run-").removesuffix(".cuda.so")
        for function, counts in count(done.stdout.splitlines()).items():
            found[plugin, function] = counts
    names = demangled(sorted({function for _, function in found}))
    return {(plugin, names[function]): counts for (plugin, function), counts in sorted(found.items())}


def broken_rules(found):
    for (plugin, kernel), counts in sorted(found.items()):
        where = f"{plugin}: {kernel}"
        for column, number in sorted(counts.items()):
            if column.startswith(("LDL", "STL")):
                yield f"{where}: expected no local memory, found {number} {column}"
            if "SPIN" in column:
                yield f"{where}: expected no atomic operation that is a loop, found {number} {column}"
            if column.startswith("MEMBAR") and SENDING.match(kernel):
                yield f"{where}: expected no fence, found {number} {column}"
            if column == WAITS:
                yield f"{where}: expected a layernorm that waits for no weights, found {number} such instructions"
        wide = sum(counts[column] for column in WIDE_LOADS)
        for pattern, least in LEAST_WIDE:
            if pattern.match(kernel) and wide < least:
                yield f"{where}: expected at least {least} loads of 16 bytes, found {wide}"


def text_of(counts):
    rest = ", ".join(f"{column} {number}" for column, number in sorted(counts.items()) if column != "all")
    return f"{counts['all']}\t{rest}"


def read_table():
    """(toolkit, {(plugin, kernel): text}), empty without a table."""
    lines = TABLE.read_text().splitlines()
    match = re.fullmatch(rf"# nvcc (\S+), {ARCHITECTURE}, .*", lines[0]) if lines else None
    if not match:
        raise Trouble(f"{TABLE}: expected a first line '# nvcc VERSION, {ARCHITECTURE}, ...'")
    table = {}
    for number, line in enumerate(lines[1:], 2):
        parts = line.split("\t", 2)
        if len(parts) != 3:
            raise Trouble(f"{TABLE}:{number}: expected plugin, kernel and counts with tabs between, found {line!r}")
        table[parts[0], parts[1]] = parts[2]
    return match.group(1), table


def differences(found, table):
    for key in sorted(found.keys() | table.keys()):
        own, known = text_of(found[key]) if key in found else "none", table.get(key, "none")
        if own != known:
            yield f"{key[0]}: {key[1]}:\n  expected {known}\n  found    {own}".replace("\t", ": ")


def check(build, found):
    toolkit, (table_toolkit, table) = toolkit_of(build), read_table()
    messages = list(broken_rules(found))
    if toolkit == table_toolkit:
        messages += differences(found, table)
    for message in messages:
        print(message)
    if messages:
        print(f"{len(messages)} found; of a kernel that is meant to be other: {SCRIPT} renew {build}")
        return 1
    if toolkit != table_toolkit:
        print(f"skipped: counts, which the table has for nvcc {table_toolkit} and not {toolkit}; no rule is broken")
        return 77
    print(f"{len(found)} kernels have the instructions of {TABLE.name}, and no rule is broken")
    return 0


def renew(build, found):
    lines = [f"# nvcc {toolkit_of(build)}, {ARCHITECTURE}, instructions of each kernel, all and some kinds: {SCRIPT} renew"]
    lines += [f"{plugin}\t{kernel}\t{text_of(counts)}" for (plugin, kernel), counts in sorted(found.items())]
    TABLE.write_text("\n".join(lines) + "\n")
    print(f"{TABLE.name}: {len(found)} kernels")
    for message in broken_rules(found):
        print(message)
    return 0


MISSING = "skipped: there is no cuobjdump, or no nvdisasm: python3 -m pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm"


def say_tools():
    found = tools()
    print(found[0] if found else MISSING)
    return 0 if found else 77


def on_build(action, build):
    if not (found_tools := tools()):
        print(MISSING)
        return 77
    if not (found := read_build(build, *found_tools)):
        print(f"skipped: {build} has no CUDA plugins compiled for {ARCHITECTURE}")
        return 77
    return action(build, found)


SAMPLE = """
		Function : good
        /*0000*/                   LDC R1, c[0x0][0x28] ;              /* 0x00000a00ff017b82 */
                                                                       /* 0x000fe20000000800 */
        /*0010*/              @!P0 LDG.E.EF.128 R4, desc[UR4][R2.64] ; /* 0x00000a00ff017b82 */
                                                                       /* 0x000ea2000c1e1d00 */
        /*0018*/                   FMUL R4, R5, R6 ;
                                                                       /* 0x004fe20000000800 */
        /*001c*/                   FMUL R4, R5, R6 ;
                                                                       /* 0x008fe20000000800 */
        /*0020*/                   DADD R4, R5, R6 ;
                                                                       /* 0x004fe20000000800 */
        /*0020*/                   LDG.E.U16.CONSTANT R4, [R2.64] ;
        /*0030*/                   LDGSTS.E.BYPASS.LTC128B.128 [R3], desc[UR4][R2.64] ;
        /*0040*/                   BAR.SYNC.DEFER_BLOCKING 0x0 ;
        /*0050*/               @P1 ATOMS.CAST.SPIN.64 P0, [R3], R4, R6 ;
        /*0060*/                   STL [R1], R4 ;
		Function : empty
"""


def self_test():
    """The words of cuobjdump are counted right, and each rule finds what breaks it and nothing else."""
    functions = count(SAMPLE.splitlines())
    wanted = {WAITS: 1, "DADD": 1, "FMUL": 2, "all": 10, "LDG.128": 1, "LDG.U16": 1, "LDGSTS.128": 1, "BAR": 1, "ATOMS.CAST.SPIN.64": 1, "STL.32": 1}
    assert functions == {"good": collections.Counter(wanted), "empty": collections.Counter()}, functions
    own = collections.Counter
    cases = (
        ("product_kernel<1, 1, f16>", {"LDG.128": 3, "LDGSTS.128": 1}, ""),
        ("product_kernel<1, 1, f16>", {"LDG.128": 3, "LDG.32": 9}, "loads of 16 bytes, found 3"),
        ("logits_kernel<1, f16, NormedRows<f16>>", {"LDGSTS.128": 3}, "loads of 16 bytes, found 3"),
        ("attention_kernel<64, f16>", {"LDG.128": 7}, "at least 8 loads"),
        ("attention_kernel<64, f16, (Join)0>", {"LDG.128": 8, "MEMBAR.ALL.GPU": 1}, "no fence, found 1 MEMBAR.ALL.GPU"),
        ("attention_kernel<64, f16, (Join)1>", {"LDG.128": 8, "MEMBAR.ALL.GPU": 1}, ""),
        ("argmax_kernel", {"ATOMS.CAST.SPIN.64": 2}, "found 2 ATOMS.CAST.SPIN.64"),
        ("argmax_kernel", {"ATOMS.POPC.INC.32": 2, "LDS.128": 1}, ""),
        ("argmax_kernel", {"LDL.64": 1}, "no local memory, found 1 LDL.64"),
        ("argmax_kernel", {"STL.32": 1}, "no local memory"),
        ("product_kernel<1, 1, NormedRows<f16>>", {"LDG.128": 9, WAITS: 1}, "waits for no weights, found 1"),
        ("product_kernel<1, 1, PlainRows<f16>>", {"LDG.128": 9, WAITS: 1}, "waits for no weights, found 1"),
    )
    for kernel, counts, words in cases:
        said = list(broken_rules({("p", kernel): own(counts)}))
        assert (len(said) == 1 and words in said[0]) if words else not said, (kernel, counts, said)
    table = {("p", "a"): text_of(own({"all": 3, "BAR": 1})), ("p", "gone"): "1\t"}
    found = {("p", "a"): own({"all": 3, "BAR": 2}), ("p", "new"): own({"all": 1})}
    assert [line.split(":")[1].strip() for line in differences(found, table)] == ["a", "gone", "new"]
    assert not list(differences({("p", "a"): own({"all": 3, "BAR": 1})}, {("p", "a"): table["p", "a"]}))
    print("the rules find what breaks them")
    return 0


def main(arguments):
    actions = {"check": check, "renew": renew}
    alone = {"self-test": self_test, "tools": say_tools}
    if len(arguments) == 1 and arguments[0] in alone:
        return alone[arguments[0]]()
    if len(arguments) != 2 or arguments[0] not in actions:
        print(f"usage: {SCRIPT} check|renew BUILD, or {SCRIPT} self-test|tools", file=sys.stderr)
        return 2
    try:
        return on_build(actions[arguments[0]], pathlib.Path(arguments[1]))
    except (Trouble, OSError) as error:
        print(f"{SCRIPT}: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
