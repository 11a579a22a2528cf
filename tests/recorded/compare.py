"""Compares two recordings of record.py.

Results must be the same bytes, with these exceptions:
- paths that lie in the recording, the build or the source tree are called {out}, {build}, {source};
- JSON is compared parsed, a number as the text that it was written as, and the order of keys does not matter;
- times are exempt: numbers of gpt2bench's tables and samples, of the sweep's tables, of the sink `timings`, and of
  messages;
- the schedule is exempt: how many steps, rows and passes a run took, and how many of them were replayed;
- a plugin's hash is exempt, since every build has another.

Differences of standard error, of help and of what explains something are reported as `wording`, apart from results:
they are for people to look at. Where a number, a quotation or a word in capitals in them is another one, that is said.
"""

import difflib
import json
import pathlib
import re
from typing import NamedTuple

MOST_LINES = 12  # of one difference that are shown

# Keys of JSON whose values are exempt wherever they stand.
SCHEDULE = {"steps", "rows", "replayed"}
TIMES = {"seconds", "open_seconds", "first_token_seconds"}
# Keys of gpt2bench's JSON whose numbers are exempt.
MEASURED = {
    "median", "least", "greatest", "samples", "load_before", "load_after", "gb_per_s", "of_bandwidth", "of_compute",
}  # fmt: skip
# Keys of a manifest or of the list of plugins that name the build, and texts for people.
BUILD = {"version", "abi", "tag"}
TEXTS = {"summary", "help", "reason"}

NUMBER = r"(?<![\w.-])[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan)\b"
TIME_IN_MESSAGE = re.compile(rf"{NUMBER}(?= (?:tokens/s|GB/s of weights|ms to the first token))")
FIRST_FILE = re.compile(r"(?<=: wrote )\S+(?= and \d+ more)")  # the one that was whole first
COMMIT = re.compile(r"(?<=\(commit )(?:[0-9a-f]+|unknown)(?=\)$)", re.MULTILINE)  # of --version
OF_MPI = re.compile(r"gpt2[a-z0-9]*: .*")  # lines of ours under mpirun, which adds its own in an order of its own
FACT = re.compile(rf'"(?:\\.|[^"\\\n])*"|\b[A-Z][A-Z0-9_|]+\b|{NUMBER}')
# Lines of gpt2compare's tables that explain a mark: the mark is kept, the explanation is wording.
LEGEND = re.compile(r"^(\+-|floor|~|=) {2,}(\S.*)$", re.MULTILINE)


class Number(str):
    """A number of JSON as it was written: 1.0 and 1 are two numbers, 1 and "1" are no equal values."""

    def __eq__(self, other):
        return isinstance(other, Number) and str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__


class Difference(NamedTuple):
    where: str
    is_result: bool
    lines: list


def parsed(text):
    """JSON, or None."""
    try:
        return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number, object_pairs_hook=unique)
    except ValueError:
        return None


def unique(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def documents(data):
    """The JSON values of a text: one, or one a line. None: it is no JSON."""
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if not text.startswith(("{", "[")):
        return None
    whole = parsed(text)
    if whole is not None:
        return [whole]
    lines = [parsed(line) for line in text.split("\n")]
    return lines if all(isinstance(line, dict) for line in lines) else None


class Side:
    """One of the two recordings: where its paths are."""

    def __init__(self, folder):
        self.folder = folder
        self.about = json.loads((folder / "recording.json").read_text(encoding="utf-8"))
        places = sorted(self.about["places"], key=lambda place: -len(place[0]))
        self.names = dict(reversed(places))
        self.path = re.compile("(?:" + "|".join(re.escape(path) for path, _ in places) + r")(?=$|[^\w.-])")

    def plain(self, text):
        return self.path.sub(lambda found: self.names[found[0]], text)


def kind_of(value):
    return {dict: "an object", list: "a list", Number: "a number", str: "a text"}.get(type(value), str(value))


class JsonComparison:
    """Walks two values; differences are gathered as lines."""

    def __init__(self, old, new):
        self.old, self.new = old, new  # sides
        self.results, self.wording = [], []

    def compare(self, old, new):
        if is_timings(old) and is_timings(new):
            return self.shapes(old, new)
        measured = is_bench(old) and is_bench(new)
        return self.values(old, new, "", measured)

    def shapes(self, old, new):
        """Of the sink timings: the same keys, each a list of numbers."""
        for key in sorted(set(old) | set(new)):
            if key not in old or key not in new:
                self.results.append(f"{key}: {'only the old one has it' if key in old else 'only the new one has it'}")
            elif not are_numbers(old[key]) or not are_numbers(new[key]):
                self.results.append(f"{key}: expected lists of numbers")
            elif key == "model_initialization" and len(old[key]) != len(new[key]):
                self.results.append(f"{key}: {len(old[key])} numbers, then {len(new[key])}")

    def values(self, old, new, where, measured):
        if type(old) is not type(new):
            self.results.append(f"{where}: {kind_of(old)}, then {kind_of(new)}")
        elif isinstance(old, dict):
            self.objects(old, new, where, measured)
        elif isinstance(old, list):
            if len(old) != len(new):
                self.results.append(f"{where}: {len(old)} elements, then {len(new)}")
            for i, (one, other) in enumerate(zip(old, new)):
                self.values(one, other, f"{where}[{i}]", measured)
        elif isinstance(old, str) and not isinstance(old, Number):
            if self.old.plain(old) != self.new.plain(new):
                self.results.append(f"{where}: {self.old.plain(old)!r}, then {self.new.plain(new)!r}")
        elif old != new:
            self.results.append(f"{where}: {old}, then {new}")

    def objects(self, old, new, where, measured):
        is_plugin = "kind" in old and "name" in old and "file" in old
        is_listed = is_plugin or "key" in old or "file" in old
        is_program = where.endswith(".gpt2run") or where == ".gpt2run"
        for key in sorted(set(old) | set(new)):
            at = f"{where}.{key}"
            if key not in old or key not in new:
                self.results.append(f"{at}: only the {'old' if key in old else 'new'} one has it")
            elif key in SCHEDULE | TIMES or (key == "hash" and is_plugin):
                if kind_of(old[key]) != kind_of(new[key]):
                    self.results.append(f"{at}: {kind_of(old[key])}, then {kind_of(new[key])}")
            elif measured and key in MEASURED:
                self.measurements(old[key], new[key], at)
            elif (key in BUILD and (is_plugin or is_program)) or (key in TEXTS and is_listed):
                if old[key] != new[key]:
                    self.wording.append(f"{at}: {old[key]}, then {new[key]}")
            else:
                self.values(old[key], new[key], at, measured)

    def measurements(self, old, new, where):
        """Numbers of a benchmark: as many, and known or not known as before."""
        if kind_of(old) != kind_of(new) or (isinstance(old, list) and len(old) != len(new)):
            self.results.append(f"{where}: {old}, then {new}")


def is_timings(value):
    return isinstance(value, dict) and "model_initialization" in value and "forward_pass" in value


def are_numbers(value):
    return isinstance(value, list) and all(isinstance(one, Number) for one in value)


def is_bench(value):
    return isinstance(value, dict) and "load_before" in value and "bandwidth_bytes" in value


def compare_json(old, new, sides):
    """Two lists of documents. Gives the lines of results, and of wording."""
    comparison = JsonComparison(*sides)
    if len(old) != len(new):
        return [f"{len(old)} JSON values, then {len(new)}"], []
    for i, (one, other) in enumerate(zip(old, new)):
        before = len(comparison.results)
        comparison.compare(one, other)
        if len(old) > 1:
            comparison.results[before:] = [f"line {i + 1}: {line}" for line in comparison.results[before:]]
    return comparison.results, comparison.wording


def text_of(data):
    return data.decode("utf-8", errors="surrogateescape")


def lines_apart(old, new):
    """The lines that differ, as - and +."""
    apart = difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm="", n=0)
    return [line for line in apart if not line.startswith(("---", "+++", "@@"))]


def facts(text):
    """What of a text for people is no wording."""
    return [found[0] for found in FACT.finditer(text)]


def told(apart, old, new):
    return apart if facts(old) == facts(new) else ["(another number, quotation or word in capitals)", *apart]


def told_under_mpirun(text):
    """Our lines, sorted, each once whichever rank says it: how many ranks say it before they are ended is chance."""
    lines = {re.sub(r"(?<=rank )\d+", "#", line) for line in text.split("\n") if OF_MPI.fullmatch(line)}
    return "\n".join(sorted(lines))


def compare_messages(old, new, sides, ranked):
    texts = [side.plain(text_of(data)) for side, data in zip(sides, (old, new))]
    texts = [FIRST_FILE.sub("#", TIME_IN_MESSAGE.sub("#", text)) for text in texts]
    if ranked:
        texts = [told_under_mpirun(text) for text in texts]
    if texts[0] == texts[1]:
        return [], []
    return [], told(lines_apart(*texts), *texts)


def compare_output(old, new, sides, marks):
    """Standard output. Gives the lines of results, and of wording."""
    if old == new:
        return [], []
    both = documents(old), documents(new)
    if None not in both:
        return compare_json(*both, sides)
    texts = [COMMIT.sub("#", side.plain(text_of(data))) for side, data in zip(sides, (old, new))]
    if "times" in marks:
        # Columns are as wide as the numbers in them.
        texts = [re.sub(r"[ \t]+", " ", re.sub(NUMBER, "#", text)) for text in texts]
    legends = ["\n".join(found[2] for found in LEGEND.finditer(text)) for text in texts]
    texts = [LEGEND.sub(r"\1", text) for text in texts]
    wording = [] if legends[0] == legends[1] else lines_apart(*legends)
    if texts[0] == texts[1]:
        return [], wording
    if "prose" in marks and facts(texts[0]) == facts(texts[1]):
        return [], wording + lines_apart(*texts)
    return lines_apart(*texts), wording


def keys_of_table(data):
    """A table of gpt2bench sweep without its statistics. The count of positions.csv stays, that of the prompts."""
    lines = [line.split(",") for line in text_of(data).split("\n")]
    keys = lines[0].index("mean") if "mean" in lines[0] else len(lines[0])
    has_count = "position" in lines[0]
    rows = [line[:keys] + ([line[-1]] if has_count else []) for line in lines[1:]]
    return "\n".join(",".join(line) for line in [lines[0], *rows])


def compare_file(name, old, new, sides):
    if old == new:
        return [], []
    if name.endswith((".json", ".jsonl")):
        both = documents(old), documents(new)
        if None not in both:
            return compare_json(*both, sides)
    if name.endswith(("/timings.csv", "/positions.csv")):
        tables = keys_of_table(old), keys_of_table(new)
        return ([], []) if tables[0] == tables[1] else (lines_apart(*tables), [])
    at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
    return [f"{len(old)} bytes, then {len(new)}; the first that differs is byte {at}"], []


def entries(folder):
    """Files and folders below, by relative name; a folder's name ends with /."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found[name + "/" if path.is_dir() and not path.is_symlink() else name] = path
    return found


def compare_files(case, sides):
    folders = [side.folder / "cases" / case / "files" for side in sides]
    old, new = map(entries, folders)
    for name in sorted(set(old) | set(new)):
        where = f"{case}: {name}"
        if name not in old or name not in new:
            yield Difference(where, True, [f"only the {'old' if name in old else 'new'} recording has it"])
        elif not name.endswith("/"):
            yield from differences(where, compare_file(name, old[name].read_bytes(), new[name].read_bytes(), sides))


def differences(where, found):
    results, wording = found
    if results:
        yield Difference(where, True, results)
    if wording:
        yield Difference(where, False, wording)


def compare_case(case, sides):
    marks = set(sides[1].about["cases"][case])
    folders = [side.folder / "cases" / case for side in sides]
    numbers = [sorted(int(path.stem) for path in folder.glob("*.command")) for folder in folders]
    if numbers[0] != numbers[1]:
        yield Difference(case, True, [f"{len(numbers[0])} commands, then {len(numbers[1])}"])
        return
    for number in numbers[0]:
        command, status, out, err = (
            [(folder / f"{number}.{part}").read_bytes() for folder in folders]
            for part in ("command", "exit", "stdout", "stderr")
        )
        where = f"{case} {number}: {text_of(command[1]).strip()}"
        if command[0] != command[1]:
            yield Difference(where, True, ["the old command is another: " + text_of(command[0]).strip()])
            continue
        if status[0] != status[1]:
            lines = [f"exit status {text_of(status[0]).strip()}, then {text_of(status[1]).strip()}"]
            yield Difference(where, True, lines)
        yield from differences(where + ": standard output", compare_output(*out, sides, marks))
        yield from differences(where + ": standard error", compare_messages(*err, sides, b"mpirun" in command[0]))
    yield from compare_files(case, sides)


def compare_recordings(old, new):
    """Every difference between two folders."""
    sides = Side(old), Side(new)
    processors = [side.about["processor"] for side in sides]
    if processors[0] != processors[1]:
        yield Difference("the two recordings", True, [f"made on two machines: {processors[0]}, then {processors[1]}"])
    names = [set(side.about["cases"]) for side in sides]
    for case in sorted(names[0] ^ names[1]):
        yield Difference(case, True, [f"only the {'old' if case in names[0] else 'new'} recording has it"])
    for case in sides[1].about["cases"]:
        if case in names[0]:
            yield from compare_case(case, sides)


def shown(difference):
    lines = ["  " + line for line in difference.lines[:MOST_LINES]]
    if len(difference.lines) > MOST_LINES:
        lines.append(f"  and {len(difference.lines) - MOST_LINES} more")
    head = f"{'RESULT' if difference.is_result else 'wording'}  {difference.where}"
    return "\n".join([head, *lines]).encode("utf-8", errors="backslashreplace").decode("utf-8")


def report(old: pathlib.Path, new: pathlib.Path):
    """Prints every difference, results first. Gives the exit status."""
    found = sorted(compare_recordings(old, new), key=lambda difference: not difference.is_result)
    for difference in found:
        print(shown(difference))
    results = sum(difference.is_result for difference in found)
    cases = len(json.loads((new / "recording.json").read_text(encoding="utf-8"))["cases"])
    print(f"{cases} cases compared: {results} results differ, {len(found) - results} differ in wording only")
    return 1 if results else 3 if found else 0
