"""study.study BUILD_FOLDER: scripts/study.sh on a tiny model: what it leaves, and what is left when something goes wrong."""

import json
import pathlib
import shlex
import sys
import tempfile

from place import Place, expect, has_matplotlib

STEPS = ("prompts", "timings", "speed", "perplexity", "divergence", "pictures")
TABLES = {"timings.txt", "speed.txt", "perplexity.txt", "continuations.txt", "divergence.txt"}
RESULTS = TABLES | {"commands.txt", "bench.json", "perplexity.json", "compare.json", "timings", "prompts"}
PRECISIONS = ["cpu-fp32", "cpu-fp16", "cpu-bf16", "cpu-int8", "cpu-int4"]
PERPLEXITY = "build/release/bin/gpt2perplexity"
PLUGINS = "build/release/bin/gpt2plugins"


def names(folder):
    return {path.name for path in folder.iterdir()}


def refused(done, code, line):
    """One line, which says it."""
    lines = [one for one in done.stderr.splitlines() if not one.startswith("== ")]
    expect(done.returncode == code and len(lines) == 1 and line in lines[0], f"{code} and the line {line!r}, found", done)


def check_whole(place):
    done = place.study()
    out = place.folder / "build/study/demo"
    pictures = has_matplotlib()
    expect(done.returncode == (0 if pictures else 1), "a study, found", done)
    shown = [line for line in done.stderr.splitlines() if line.startswith("== step ")]
    expect(shown == [f"== step {i} of 6: {name}" for i, name in enumerate(STEPS, 1)], "six steps in order, found", shown)
    expect(names(out) == RESULTS | ({"report.html", "plots"} if pictures else set()), "all results and no more, found", names(out))
    for name in TABLES:
        text = (out / name).read_text(encoding="utf-8")
        expect(all(one in text or one[4:].upper() in text for one in PRECISIONS), name, "to name all precisions, found", text)
    compare = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    perplexity = json.loads((out / "perplexity.json").read_text(encoding="utf-8"))
    expect([compare["reference"]] + [one["name"] for one in compare["tests"]] == PRECISIONS, "fp32 as the reference")
    expect([one["precision"] for one in perplexity["results"]] == PRECISIONS, "every precision's perplexity")
    runs = {f"timings_{where}_{kind}_{length}.json" for where in ("host", "device") for kind in (one[4:].upper() for one in PRECISIONS) for length in (32, 64)}
    expect(names(out / "timings") == runs | {"manifests", "timings.csv", "positions.csv"}, "timings, found", names(out / "timings"))
    return out


def check_by_hand(place, out):
    """Commands are kept as they can be typed, and give the same again."""
    before = (out / "perplexity.txt").read_bytes(), (out / "compare.json").read_bytes()
    commands = (out / "commands.txt").read_text(encoding="utf-8").splitlines()
    for word in ("gpt2perplexity", "compare.json"):
        (command,) = [line for line in commands if word in line]
        expect(place.run("bash", "-euc", command).returncode == 0, command, "to run")
    expect(before == ((out / "perplexity.txt").read_bytes(), (out / "compare.json").read_bytes()), "the same again")


def check_failure(place, out):
    """A step that fails: its own line and the script's; what was done is there, what was not is not, of no other study either."""
    (out / "timings/timings_host_FP32_999.json").write_text("{}")
    real = place.stub(PERPLEXITY, "echo half a table; echo 'gpt2perplexity: error: no such luck' >&2; exit 1")
    done = place.study()
    last = "study.sh: step 4 of 6, perplexity, failed: the reason stands above; what is done is in build/study/demo"
    expect(done.returncode == 1 and done.stderr.splitlines()[-2:] == ["gpt2perplexity: error: no such luck", last], "two lines, found", done)
    left = RESULTS - {"perplexity.txt", "perplexity.json", "compare.json", "continuations.txt", "divergence.txt"}
    expect(names(out) == left, "what was done before, whole, found", names(out))
    expect("timings_host_FP32_999.json" not in names(out / "timings"), "nothing of the study before")
    for interrupted in ("kill -INT 0; sleep 60", "trap 'exit 1' INT; kill -INT 0"):
        place.stub(PERPLEXITY, f"echo half a table; {interrupted}")
        done = place.study()
        last = "study.sh: step 4 of 6, perplexity, interrupted; what is done is in build/study/demo"
        expect(done.returncode == 1 and done.stderr.splitlines()[-1] == last, interrupted, "to be told, found", done)
        expect(names(out) == left, "what was done before, whole, found", names(out))
    place.restore(PERPLEXITY, real)


def check_gpu(place):
    """Precisions of a GPU come first and are timed alone; those that cannot run here are not named."""
    node = json.loads(place.run(PLUGINS, "list", "--json").stdout)
    of_cpu = [one for one in node["plugins"] if one["name"] in PRECISIONS]
    for score, space in ((100, "cuda"), (0, "rocm")):
        node["plugins"] += [one | {"name": one["name"].replace("cpu", space), "space": "cuda", "score": score} for one in of_cpu]
    (place.folder / "list.json").write_text(json.dumps(node, indent=2, sort_keys=True), encoding="utf-8")
    real = place.stub(PLUGINS, "cat list.json")
    place.stub("build/release/bin/gpt2bench", "exit 0")
    done = place.study("--out", "gpu")
    place.restore(PLUGINS, real)
    commands = [shlex.split(line) for line in (place.folder / "gpu/commands.txt").read_text(encoding="utf-8").splitlines()[1:]]
    asked = {words[0].rpartition("/")[2]: words[words.index("--precision") + 1] for words in commands if "--precision" in words}
    of_gpu = ",".join(one.replace("cpu", "cuda") for one in PRECISIONS)
    expect(asked == {"gpt2bench": of_gpu, "gpt2perplexity": ",".join([of_gpu, *PRECISIONS])}, "the GPU's first, found", asked)
    expect(done.returncode == 1, "a GPU that is not there to fail")


def check_formats(place):
    """--formats adds two steps, and one more with the adder; a study without it removes their results."""
    real = {path: place.stub(path, "exit 0") for path in ("build/release/bin/gpt2bench", PERPLEXITY)}
    place.stub("scripts/adder.py", 'echo sums "$1" "${@:3:2}"; echo "{}" >"${!#}"\n')
    (place.folder / "model.pt").write_text("a model")
    done = place.study("--formats", "--adder", "model.pt", "--out", "lab")
    out = place.folder / "lab"
    shown = [line for line in done.stderr.splitlines() if line.startswith("== step ")]
    steps = (*STEPS[:-1], "formats", "islands", "adder", STEPS[-1])
    expect(shown == [f"== step {i} of 9: {name}" for i, name in enumerate(steps, 1)], "nine steps in order, found", done)
    expect((out / "adder.txt").read_text() == "sums model.pt --sums 100\n", "the adder's table")
    node = json.loads((out / "formats.json").read_text(encoding="utf-8"))
    expect([one["name"].count("=") > 0 and one["step_bytes"] > 0 for one in node["tests"]] == [True] * 3, "formats with bytes, found", node["tests"])
    expect("MB A STEP" in (out / "formats.txt").read_text(), "the table of formats")
    expect(node["tests"][-1]["name"] == json.loads((out / "islands.json").read_text())["islands"]["test"], "the last format part by part")
    expect("RESTORED" in (out / "islands.txt").read_text(), "the table of islands")
    done = place.study("--out", "lab")
    for path, program in real.items():
        place.restore(path, program)
    expect(not names(out) & {f"{name}.{kind}" for name in ("formats", "islands", "adder") for kind in ("json", "txt")}, "none of the study before, found", names(out))


def check_refusals(place):
    (place.folder / "full").mkdir()
    (place.folder / "full/mine.txt").write_text("mine")
    (place.folder / "file").write_text("mine")
    for line, arguments, code in (
        ("nosuch: no such file", ["nosuch"], 1),
        ("found nothing", ["synthetic:L=2,C=32,H=2,F=64,V=4096,T=64"], 1),
        ("full holds something else than a study", ["--out", "full"], 1),
        ("file: expected a folder, found a file", ["--out", "file"], 1),
        ("nosuch.txt: expected a file", ["--text", "nosuch.txt"], 1),
        ("expected at least two precisions", ["--precision", "cpu-fp32"], 1),
        ("--text: a value is missing", ["--text"], 2),
        ("--adder: expected --formats too", ["--adder", "file"], 2),
        ("nosuch.pt: expected a file", ["--formats", "--adder", "nosuch.pt"], 1),
        ("unknown option '--fast'", ["--fast"], 2),
        ("found 'two' too", ["one", "two"], 2),
    ):
        refused(place.study(*arguments), code, line)
    expect(names(place.folder / "full") == {"mine.txt"}, "another's folder as it was")


def check_no_pictures(place):
    """Without matplotlib, and where it cannot be installed, there are tables."""
    place.change_set_up("has_matplotlib() { return 1; }\ninstall_missing() { [ $1 != plots ] || die 'no registry'; }\n")
    done = place.study("--precision", "cpu-fp32,cpu-bf16", "--out", "plain")
    last = "study.sh: step 6 of 6, pictures, left out: the package python3-matplotlib is missing; what is done is in plain"
    expect(done.returncode == 1 and done.stderr.splitlines()[-1] == last, "a line about matplotlib, found", done)
    expect(names(place.folder / "plain") == RESULTS, "tables, found", names(place.folder / "plain"))


with tempfile.TemporaryDirectory() as work:
    there = Place(pathlib.Path(work) / "a place", pathlib.Path(sys.argv[1]).resolve())
    left = check_whole(there)
    check_by_hand(there, left)
    check_failure(there, left)
    check_refusals(there)
    check_no_pictures(there)
    check_formats(there)
    check_gpu(there)
