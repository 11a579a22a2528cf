"""plots.study BUILD_FOLDER: scripts/plots.py on results of every kind: which pictures there are, a report that needs no
other file, and bad input, which gets one line and leaves nothing behind.
"""

import base64
import importlib.util
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

import samples

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts/plots.py"
PICTURES = {
    "timings": {"time_per_token", "time_mean", "time_by_phase"},
    "compare": {"divergence_mean", "kl_histogram", "divergence_by_position", "divergence_by_entropy", "divergence_by_layer", "flip_margins"},
    "perplexity": {"perplexity"},
    "bench": {"speed"},
}  # fmt: skip
OF_FORMATS = {"formats": {"formats_by_bytes"}, "islands": {"damage_by_part"}, "patching": {"patch_effect"}}  # few studies have them
METRICS = ("kl_ref_test", "kl_test_ref", "js", "tvd", "logit_mse", "logit_mse_aligned", "cosine", "logprob_difference", "top1_agreement", "topk_overlap")


def plots(*arguments, python=(sys.executable,), **environment):
    command = [*python, "-B", str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def expect(condition, *what):
    if not condition:
        sys.exit("expected " + " ".join(map(str, what)))


def rows_of(path):
    """The scanlines of a PNG, whose checksums must be right, and its size."""
    data = path.read_bytes()
    expect(data.startswith(b"\x89PNG\r\n\x1a\n"), path, "to be a PNG")
    at, pixels, size = 8, b"", None
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        expect(zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + length)[0], path, "to be whole")
        if kind == b"IHDR":
            size = struct.unpack_from(">II", body)
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    raw = zlib.decompress(pixels)
    stride = len(raw) // size[1]
    return size, [raw[i + 1 : i + stride] for i in range(0, len(raw), stride)]


def check_picture(path):
    (width, height), rows = rows_of(path)
    expect(400 <= width <= 2400 and 300 <= height <= 2400, path, "to be of a readable size, found", width, height)
    expect(len(set(rows)) > 100, path, "to show something, found", len(set(rows)), "different rows")


def check_report(folder, names):
    report = (folder / "report.html").read_text(encoding="utf-8")
    inlined = re.findall(r'src="data:image/png;base64,([^"]+)"', report)
    files = [(folder / "plots" / f"{name}.png").read_bytes() for name in names]
    expect(sorted(base64.b64decode(one) for one in inlined) == sorted(files), "every picture in the report, once")
    rest = re.sub(r'src="data:[^"]+"', "", report)
    for word in ("http", "src=", "<link", "<script", "url(", "@import", "file:"):
        expect(word not in rest.lower(), "a report that needs nothing else, found", word)
    ids = set(re.findall(r"""\bid=['"]([^'"]+)""", rest))
    for target in re.findall(r"""href=['"]([^'"]*)""", rest):
        expect(target.startswith("#") and target[1:] in ids, "a place for the link", target)
    for tag in ("table", "tr", "td", "th", "figure", "details", "pre", "dl", "p", "span", "a"):
        expect(len(re.findall(f"<{tag}[ >]", rest)) == rest.count(f"</{tag}>"), "every", tag, "closed")
    return rest


def check_whole_study(folder):
    samples.write(folder)
    before = {path.name for path in folder.iterdir()}
    done = plots(folder)
    expect(done.returncode == 0 and done.stdout == "" and done.stderr.count("\n") == 1, "one line, found", done)
    names = set.union(*PICTURES.values(), *OF_FORMATS.values())
    expect({path.name for path in (folder / "plots").iterdir()} == {f"{name}.png" for name in names}, "all pictures and no more")
    expect({path.name for path in folder.iterdir()} == before | {"plots", "report.html"}, "no temporary file")
    for name in names:
        check_picture(folder / "plots" / f"{name}.png")
    report = check_report(folder, names)
    for key in METRICS:
        expect(f'<a href="#{key}">' in report and f'<dt id="{key}">' in report, "a sentence behind", key)
    expect("&lt;script&gt;not run&lt;/script&gt;" in report, "the manifest, escaped")
    expect(report.count("not above the floor") == 1, "the one metric below its floor to be marked")
    expect("1 - 2.041e-06" in report, "a cosine by what it lacks of 1")
    expect(re.search(r"<td>[\d.]+ ms, mean [\d.]+ ms</td>", report), "a time as median and mean")
    expect("twofold" not in report, "no warning of times that are alike")
    expect("<td>norm_logits</td><td>-</td>" in report.replace("\n", ""), "no number for a layer outside of the layers")
    expect("operations of cpu-bf16 wrote" in report, "whose largest values they are")
    check_formats(report)
    expect("--patch_sweep op=embed+down_add,from=The &lt;old&gt;" in report, "the sweep, escaped")
    expect("from -1.5 after the prompt (0) to 2.5 after the donor (1)" in report, "what an effect of 0 and of 1 is")
    other = folder.with_name("again")
    expect(plots(folder, "--out", other).returncode == 0, "a second run")
    for path in (folder / "plots").iterdir():
        expect(path.read_bytes() == (other / "plots" / path.name).read_bytes(), path.name, "the same every time")


def check_formats(report):
    """The chapter on number formats: a row for each, with dashes for what is not known."""
    rows = {cells[0]: cells[1:] for cells in (re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>.*?</tr>", report.replace("\n", ""))) if cells}
    expect(rows["reference:w=int4:group=32"][0] == "0.04 ± 0.004", "KL with its error, found", rows["reference:w=int4:group=32"])
    expect(rows["reference:w=int4:group=32"][4:] == ["43 : 87", "0.33 [0.20, 0.45]", "2.160", "9997"], "direction, bytes and sums, found", rows["reference:w=int4:group=32"])
    expect(rows["reference:w=int8:exact=layer0"][4:] == ["0 : 0", "-", "-", "-"], "dashes, found", rows["reference:w=int8:exact=layer0"])
    expect("reference:w=nf4:&lt;b&gt;" in rows, "names, escaped, found", list(rows))
    expect(rows["down_add of layer 1"] == ["detail", "0.012", "0.600"], "an island, found", rows.get("down_add of layer 1"))
    expect("cpu-fp32 has 10000." in report, "right sums of the reference")


def check_disturbed(folder):
    """Passes that were held up: a median far from the mean is not quoted without a word."""
    samples.write(folder)
    path = folder / "timings/timings_host_FP16_256.json"
    node = json.loads(path.read_text(encoding="utf-8"))
    node["forward_pass"] = [time * (40 if i % 5 == 0 else 1) for i, time in enumerate(node["forward_pass"])]
    path.write_text(json.dumps(node), encoding="utf-8")
    expect(plots(folder).returncode == 0, "pictures of disturbed times")
    report = (folder / "report.html").read_text(encoding="utf-8")
    expect(len(re.findall(r"<td>[\d.]+ ms, mean [\d.]+ ms \*</td>", report)) == 1, "one time to be marked")
    expect("* Median and mean differ more than twofold" in report, "what the mark means")


def check_parts(study, folder):
    """One source of results alone gives its pictures, and the others a line each."""
    for source in ("perplexity", "bench", "formats", "patching"):
        alone = folder / source
        alone.mkdir()
        shutil.copy(study / f"{source}.json", alone)
        done = plots(alone)
        expect(done.returncode == 0, source, "alone to do, found", done.stderr)
        names = (PICTURES | OF_FORMATS)[source]
        expect({path.stem for path in (alone / "plots").iterdir()} == names, "its pictures only")
        check_report(alone, names)
        lines = done.stderr.splitlines()
        for other in set(PICTURES) - {source}:
            expect(any(line.startswith(f"plots.py: left out: {other}: there is no ") for line in lines), "a line about", other)


def check_sweep(folder, build):
    """What gpt2bench and gpt2compare really write is what is read here."""
    folder.mkdir()
    options = ["--model", "synthetic:L=2,C=48,H=3,F=100,V=301,T=64", "--tokens", "3 41 7", "--patch_sweep", "op=embed+down_add,from_tokens=9 5 2"]
    done = subprocess.run([build / "bin/gpt2compare", "-q", *options, "--json", folder / "patching.json"], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, "a sweep over layers, found", done.stderr)
    options = ["--model", "synthetic:L=2,C=48,H=3,F=100,V=301,T=64", "--t", "16,32", "--precision", "fp32,bf16", "--out", folder / "timings"]
    done = subprocess.run([build / "bin/gpt2bench", "sweep", "-q", *options], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, "a sweep, found", done.stderr)
    done = plots(folder)
    expect(done.returncode == 0, "pictures of a sweep, found", done.stderr)
    names = PICTURES["timings"] | OF_FORMATS["patching"]
    expect({path.stem for path in (folder / "plots").iterdir()} == names, "the pictures of a sweep")
    report = check_report(folder, names)
    expect("against the position" in report, "the token's position from positions.csv")
    expect(report.count("<td>host</td>") == report.count("<td>device</td>") == 4, "a row for each of the runs")
    expect("synthetic:L=2" in report, "the manifest of a run")


def changed(name, change):
    """A study whose file `name` is changed: by a text in its place, or by a function of what it holds."""

    def make(folder):
        samples.write(folder)
        path = folder / name
        if callable(change):
            node = json.loads(path.read_text(encoding="utf-8"))
            change(node)
            change_text = json.dumps(node)
        else:
            change_text = change
        path.write_text(change_text, encoding="utf-8")

    return make


def first(node):
    return node["tests"][0]


SUMMARY = "precision,placement,T,key,mean,median,std,count,total\n"
BAD = {
    "compare.json: line 2, column 1: expected JSON": changed("compare.json", '{"tests": [\n'),
    "compare.json: expected an object, found [1, 2]": changed("compare.json", "[1, 2]"),
    "compare.json: expected the key 'reference'": changed("compare.json", lambda node: node.pop("reference")),
    "'cpu-fp16': js: mean: expected a number, found \"x\"": changed("compare.json", lambda node: first(node)["metrics"]["js"].update(mean="x")),
    "'cpu-fp16': histogram: expected ascending edges": changed("compare.json", lambda node: first(node)["histogram"]["kl_ref_test"]["edges"].pop()),
    "layer: expected a whole number, found null": changed("compare.json", lambda node: first(node)["layers"][0].update(layer=None)),
    "formats.json: tests 'reference:w=int8:exact=layer0': expected the key 'direction'": changed("formats.json", lambda node: first(node).pop("direction")),
    "direction: interval: expected two numbers, found 1": changed("formats.json", lambda node: first(node)["direction"]["interval"].pop()),
    "islands.json: expected the key 'islands'": changed("islands.json", lambda node: node.pop("islands")),
    "adder.json: cpu-fp32: expected a whole number, found \"all\"": changed("adder.json", lambda node: node["right"].update({"cpu-fp32": "all"})),
    "patching.json: maps: effects: expected 6 rows of 4, found rows of [4, 4, 4, 4, 4]": changed("patching.json", lambda node: node["sweep"]["maps"][1]["effects"].pop()),
    "patching.json: answers: expected one or two, found 0": changed("patching.json", lambda node: node["sweep"]["answers"].clear()),
    "perplexity.json: results[1]: expected an object, found 3": changed("perplexity.json", lambda node: node["results"].__setitem__(1, 3)),
    "bench.json: threads: expected a number, found true": changed("bench.json", lambda node: node["results"][0].update(threads=True)),
    "expected as many values of every phase": changed("timings/timings_host_FP16_64.json", lambda node: node["sampling"].pop()),
    "timings_host_FP16_64.json: expected the key 'sampling'": changed("timings/timings_host_FP16_64.json", lambda node: node.pop("sampling")),
    "timings.csv: line 2: mean: expected a number, found 'x'": changed("timings/timings.csv", SUMMARY + "FP32,host,64,token,x,1,1,1,1\n"),
    "timings.csv: line 2: expected the fields": changed("timings/timings.csv", SUMMARY + "FP32,host\n"),
    "expected results of gpt2bench, gpt2compare or gpt2perplexity, found none": lambda folder: folder.mkdir(),
    "bench.json: expected a file, found a pipe or device": lambda folder: (folder.mkdir(), os.mkfifo(folder / "bench.json")),
    "expected a folder with results": lambda folder: None,
}  # fmt: skip


def check_bad(folder):
    for number, (message, make) in enumerate(BAD.items()):
        study, out = folder / f"study{number}", folder / f"out{number}"
        make(study)
        done = plots(study, "--out", out)
        expect(done.returncode == 1, message, "to end with 1, found", done)
        expect(done.stderr.startswith("plots.py: error: ") and message in done.stderr, message, "found", done.stderr)
        expect(done.stderr.count("\n") == 1 and done.stdout == "", "one line, found", done)
        expect(not out.exists() and not (study / "plots").exists(), "nothing to be written for", message)


def check_refusals(study, folder):
    done = plots(study, "--nonsense")
    expect(done.returncode == 2 and done.stderr.count("\n") == 1, "a usage error in one line, found", done)
    (folder / "file").write_text("")
    done = plots(study, "--out", folder / "file")
    expect(done.returncode == 1 and done.stderr.count("\n") == 1 and "file" in done.stderr, "one line, found", done)
    (folder / "taken/report.html").mkdir(parents=True)
    done = plots(study, "--out", folder / "taken")
    expect(done.returncode == 1 and done.stderr.count("\n") == 1 and "report.html" in done.stderr, "one line, found", done)
    expect(not list((folder / "taken").rglob("*.tmp")), "no temporary file to stay")
    done = plots(study, python=(sys.executable, "-I", "-S"), GPT2RUN_PLOTS_PYTHON="tried")
    expect(done.returncode == 1, "an error without matplotlib, found", done)
    expect(done.stderr == "plots.py: error: matplotlib is missing: install the package python3-matplotlib\n", "one line, found", done.stderr)


def has_matplotlib():
    if importlib.util.find_spec("matplotlib"):
        return True
    probe = ["/usr/bin/python3", "-c", "import matplotlib"]
    return os.access(probe[0], os.X_OK) and subprocess.run(probe, capture_output=True, check=False).returncode == 0


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if not has_matplotlib():
        print("skipped: matplotlib is missing (package python3-matplotlib)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_whole_study(folder / "study")
        check_disturbed(folder / "disturbed")
        check_parts(folder / "study", folder)
        check_sweep(folder / "sweep", build)
        check_bad(folder / "bad")
        check_refusals(folder / "study", folder)


main()
