"""Reads the results of a study for plots.py, checked as they are read: what is no result of ours is Bad, with its file."""

import csv
import json
import math
import re
from dataclasses import dataclass, field

# Of two equal sides; every other metric is 0 then.
EQUAL = {"cosine": 1, "cosine_aligned": 1, "top1_agreement": 1, "topk_overlap": 1}
PHASES = ("copy_to_device", "forward_pass", "copy_to_host", "sampling", "copy_next_token")
ALL_PHASES = ("model_initialization", *PHASES)
TIMINGS = re.compile(r"timings_(host|device)_([^_].*)_(\d+)\.json")


class Bad(Exception):
    pass


@dataclass
class Spread:
    mean: float
    median: float
    std: float
    count: int


@dataclass
class Timing:
    """One run of a sweep. token: of a token's whole pass; over: pairs (index, milliseconds)."""

    precision: str
    placement: str
    length: int
    phases: dict = field(default_factory=dict)
    token: Spread = None
    prompt: Spread = None
    over: list = field(default_factory=list)
    index: str = "position"


@dataclass
class Study:
    timings: list = field(default_factory=list)
    compare: dict = None
    perplexity: dict = None
    bench: dict = None
    formats: dict = None
    islands: dict = None
    adder: dict = None
    patching: dict = None
    missing: list = field(default_factory=list)
    manifests: dict = field(default_factory=dict)


KINDS = {"object": dict, "list": list, "text": str}
REQUIRED = object()


def check(value, kind, where):
    """The value as `kind` says. A number may be what JSON has no word for: null is NaN, and "inf" and "-inf"."""
    if kind == "number":
        if value is None:
            return math.nan
        if value in ("inf", "-inf"):
            return float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Bad(f"{where}: expected a number, found {shown(value)}")
        return float(value) if abs(value) < 1e300 else math.copysign(math.inf, value)
    if kind == "whole":
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 1e9:
            raise Bad(f"{where}: expected a whole number, found {shown(value)}")
        return value
    if not isinstance(value, KINDS[kind]):
        raise Bad(f"{where}: expected {'an' if kind == 'object' else 'a'} {kind}, found {shown(value)}")
    return value


def shown(value):
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:40] + "..."


def at(node, key, kind, where, default=REQUIRED):
    if key not in node:
        if default is REQUIRED:
            raise Bad(f"{where}: expected the key {key!r}, found {shown(list(node))}")
        return default
    return check(node[key], kind, f"{where}: {key}")


def items(node, key, kind, where, default=REQUIRED):
    found = at(node, key, "list", where, default)
    return [check(value, kind, f"{where}: {key}[{i}]") for i, value in enumerate(found)]


def expect_file(path):
    """A pipe would be waited for."""
    if path.exists() and not path.is_file():
        raise Bad(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'a pipe or device'}")


def read_json(path):
    expect_file(path)
    try:
        node = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Bad(f"{path}: expected UTF-8: {error.reason}") from None
    except RecursionError:
        raise Bad(f"{path}: expected JSON, found one nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Bad(f"{path}: line {error.lineno}, column {error.colno}: expected JSON: {error.msg}") from None
    return check(node, "object", path)


def read_rows(path, columns):
    """Rows of a table as dictionaries; empty fields are NaN where a number is expected."""
    expect_file(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Bad(f"{path}: expected comma-separated values: {error}") from None
    for number, row in enumerate(rows, 2):
        for column, kind in columns.items():
            text = row.get(column)
            if text is None or None in row:
                raise Bad(f"{path}: line {number}: expected the fields {','.join(columns)}")
            if kind is not str:
                row[column] = as_number(text, kind, f"{path}: line {number}: {column}")
    return rows


def as_number(text, kind, where):
    try:
        return math.nan if text == "" and kind is float else kind(text)
    except ValueError:
        raise Bad(f"{where}: expected a number, found {text!r}") from None


def spread_of(values):
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return Spread(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(known) / len(known)
    std = math.sqrt(math.fsum((x - mean) ** 2 for x in known) / (len(known) - 1)) if len(known) > 1 else math.nan
    return Spread(mean, (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2, std, len(known))


def timing_of_json(path):
    placement, precision, length = TIMINGS.fullmatch(path.name).groups()
    node = read_json(path)
    arrays = {key: items(node, key, "number", path) for key in ALL_PHASES}
    if len({len(arrays[key]) for key in PHASES}) > 1:
        raise Bad(f"{path}: expected as many values of every phase, found {[len(arrays[key]) for key in PHASES]}")
    whole = [math.fsum(times) for times in zip(*(arrays[key] for key in PHASES))]
    timing = Timing(precision, placement, int(length), {key: spread_of(arrays[key]) for key in ALL_PHASES})
    timing.token = spread_of(whole)
    timing.over, timing.index = list(enumerate(whole)), "pass"
    return timing


SUMMARY = {"precision": str, "placement": str, "T": int, "key": str, "mean": float, "median": float, "std": float, "count": int}
POSITIONS = {**SUMMARY, "position": int}
del POSITIONS["key"]


def timings_of_tables(path):
    """By (placement, precision, T): what a sweep says of its runs."""
    found = {}
    for row in read_rows(path, SUMMARY):
        run = (row["placement"], row["precision"], row["T"])
        timing = found.setdefault(run, Timing(run[1], run[0], run[2]))
        spread = Spread(row["mean"], row["median"], row["std"], row["count"])
        if row["key"] in ("token", "prompt"):
            setattr(timing, row["key"], spread)
        else:
            timing.phases[row["key"]] = spread
    beside = path.with_name("positions.csv")
    for row in read_rows(beside, POSITIONS) if beside.is_file() else ():
        run = (row["placement"], row["precision"], row["T"])
        if run in found:
            found[run].over.append((row["position"], row["median"]))
    return {run: timing for run, timing in found.items() if timing.token}


def read_timings(folder):
    """The tables of a sweep; of runs that are in no table, as another program's, the arrays."""
    found = {}
    for path in sorted(folder.rglob("timings.csv")):
        found.update(timings_of_tables(path))
    for path in sorted(folder.rglob("timings_*_*.json")):
        match = TIMINGS.fullmatch(path.name)
        if match and (match[1], match[2], int(match[3])) not in found:
            found[(match[1], match[2], int(match[3]))] = timing_of_json(path)
    return sorted(found.values(), key=lambda one: (one.length, order_of(one.precision), one.placement != "host"))


def order_of(precision):
    """fp32 first: what the others are held against."""
    name = precision.lower()
    return next((i for i, kind in enumerate(("fp32", "fp16", "bf16")) if kind in name), 3), name


def metric_of(node, where):
    metric = {key: at(node, key, "number", where, math.nan) for key in ("mean", "standard_error", "median")}
    percentiles = at(node, "percentiles", "object", where, {})
    metric["percentiles"] = {share: check(value, "number", f"{where}: {share}") for share, value in percentiles.items()}
    greatest = at(node, "max", "object", where, {})
    metric["max"] = at(greatest, "value", "number", where, math.nan)
    metric["where"] = at(greatest, "text", "text", where, ""), at(greatest, "position", "number", where, math.nan)
    return metric


def is_below(test, key):
    """Not above the noise floor, which is a mean distance from what equal sides have: as the file says, or by the mean."""
    if test["below_floor"] is not None:
        return key in test["below_floor"]
    return abs(test["metrics"][key]["mean"] - EQUAL.get(key, 0)) <= test["floor"].get(key, math.nan)


def test_of(node, where):
    name = at(node, "name", "text", where)
    where = f"{where} {name!r}"
    metrics = at(node, "metrics", "object", where)
    floor = at(node, "floor", "object", where, {})
    test = {
        "name": name,
        "metrics": {key: metric_of(check(one, "object", f"{where}: {key}"), f"{where}: {key}") for key, one in metrics.items()},
        "floor": {key: check(value, "number", f"{where}: floor {key}") for key, value in floor.items()},  # mean |value - EQUAL|
        "below_floor": items(node, "below_floor", "text", where) if "below_floor" in node else None,
        "has_flips": "flips" in node,
    }
    test["flips"] = [
        {"position": at(one, "position", "number", where), "margin": at(one, "margin", "number", where), "node": one}
        for one in items(node, "flips", "object", where, [])
    ]
    for key in ("by_position", "by_entropy"):
        test[key] = [
            {name: at(one, name, "number", f"{where}: {key}") for name in ("from", "to", "kl_ref_test", "count")}
            for one in items(node, key, "object", where, [])
        ]
    histogram = at(at(node, "histogram", "object", where, {}), "kl_ref_test", "object", where, None)
    test["histogram"] = histogram and histogram_of(histogram, f"{where}: histogram")
    test["layers"] = [
        {"op": at(one, "op", "text", where), "layer": at(one, "layer", "whole", where), "rms": at(one, "rms_error", "number", where)}
        for one in items(node, "layers", "object", where, [])
    ]
    test["ranges"] = [
        {"op": at(one, "op", "text", where), **{key: at(one, key, "number", where) for key in ("layer", "max", "subnormal_share")}}
        for one in items(node, "ranges", "object", where, [])
    ]
    return test


def histogram_of(node, where):
    edges, counts = items(node, "edges", "number", where), items(node, "counts", "number", where)
    if len(edges) != len(counts) + 1 or edges != sorted(edges) or not counts:
        raise Bad(f"{where}: expected ascending edges, one more than counts, found {len(edges)} and {len(counts)}")
    outside = {key: at(node, key, "number", where, 0.0) for key in ("below", "above")}
    return {"edges": edges, "counts": counts, **outside}


def compare_of(path):
    node = read_json(path)
    return {
        "reference": at(node, "reference", "text", path),
        "texts": at(node, "texts", "number", path, math.nan),
        "tokens": at(node, "tokens", "number", path, math.nan),
        "tests": [test_of(one, f"{path}: tests") for one in items(node, "tests", "object", path)],
        "manifest": node.get("manifest"),
    }


def format_of(node, where):
    """A test of gpt2compare --formats. bytes and the ends of the interval are NaN where they are not known."""
    name = at(node, "name", "text", where)
    where = f"{where} {name!r}"
    metrics, direction = at(node, "metrics", "object", where), at(node, "direction", "object", where)
    mean, error = {}, {}
    for key in ("kl_ref_test", "top1_agreement", "logprob_difference"):
        metric = at(metrics, key, "object", where)
        mean[key] = at(metric, "mean", "number", f"{where}: {key}")
        error[key] = at(metric, "batch_standard_error", "number", f"{where}: {key}", math.nan)
    interval = items(direction, "interval", "number", f"{where}: direction")
    if len(interval) != 2:
        raise Bad(f"{where}: direction: interval: expected two numbers, found {len(interval)}")
    return {
        "name": name, "kl": mean["kl_ref_test"], "kl_error": error["kl_ref_test"], "top1": mean["top1_agreement"],
        "nll": -mean["logprob_difference"], "nll_error": error["logprob_difference"], "bytes": at(node, "step_bytes", "number", where),
        "floor": at(at(node, "floor", "object", where, {}), "kl_ref_test", "number", where, math.nan),
        "better": at(direction, "better", "whole", where), "worse": at(direction, "worse", "whole", where), "interval": interval,
        "share": at(direction, "share_better", "number", where),
    }  # fmt: skip


def formats_of(path):
    node = read_json(path)
    return {
        "reference": at(node, "reference", "text", path),
        "bytes": at(node, "reference_step_bytes", "number", path),
        "tokens": at(node, "tokens", "number", path),
        "tests": [format_of(one, f"{path}: tests") for one in items(node, "tests", "object", path)],
        "manifest": node.get("manifest"),
    }


def islands_of(path):
    node = at(read_json(path), "islands", "object", path)
    parts = [
        {key: at(one, key, "text", f"{path}: parts") for key in ("division", "part")}
        | {key: at(one, key, "number", f"{path}: parts") for key in ("kl_ref_test", "restored")}
        for one in items(node, "parts", "object", path)
    ]
    return {"test": at(node, "test", "text", path), "kl": at(node, "kl_ref_test", "number", path), "parts": parts}


def map_of(node, where):
    """The effects of one operation: a row for each layer, with a number for each position."""
    found = {"op": at(node, "op", "text", where), "texts": items(node, "texts", "text", where)}
    for key in ("layers", "positions"):
        found[key] = items(node, key, "whole", where)
    found["effects"] = [[check(x, "number", f"{where}: effects") for x in row] for row in items(node, "effects", "list", where)]
    sizes = [len(found["texts"]), *map(len, found["effects"])]
    if len(found["effects"]) != len(found["layers"]) or set(sizes) != {len(found["positions"])}:
        raise Bad(f"{where}: effects: expected {len(found['layers'])} rows of {len(found['positions'])}, found rows of {sizes[1:]}")
    return found


def patching_of(path):
    node = read_json(path)
    found = {"precision": at(node, "precision", "text", path), "patches": items(node, "patches", "text", path), "manifest": node.get("manifest")}
    sweep = at(node, "sweep", "object", path, None)
    found["sweep"] = sweep and {
        "patch": at(sweep, "patch", "text", path),
        "answers": [at(one, "text", "text", f"{path}: answers") for one in items(sweep, "answers", "object", path)],
        "clean": at(sweep, "clean", "number", path),
        "corrupted": at(sweep, "corrupted", "number", path),
        "maps": [map_of(one, f"{path}: maps") for one in items(sweep, "maps", "object", path)],
    }
    if sweep and len(found["sweep"]["answers"]) not in (1, 2):
        raise Bad(f"{path}: answers: expected one or two, found {len(found['sweep']['answers'])}")
    return found


def adder_of(path):
    node = read_json(path)
    right = at(node, "right", "object", path)
    return {"sums": at(node, "sums", "whole", path), "right": {name: check(right[name], "whole", f"{path}: {name}") for name in right}}


def difference_of(node, where):
    """Mean negative log-probability less that of the first precision, token by token; None for the first one itself."""
    if node.get("difference") is None:
        return None
    difference = at(node, "difference", "object", where)
    return {key: at(difference, key, "number", f"{where}: difference") for key in ("nll", "standard_error")}


def perplexity_of(path):
    node = read_json(path)
    results = [
        {"precision": at(one, "precision", "text", path)}
        | {key: at(one, key, "number", path) for key in ("perplexity", "standard_error", "tokens")}
        | {"bits_per_byte": at(one, "bits_per_byte", "number", path, math.nan), "difference": difference_of(one, path)}
        for one in items(node, "results", "object", path)
    ]
    return {"protocol": at(node, "protocol", "text", path), "results": results, "manifest": node.get("manifest")}


def bench_of(path):
    node = read_json(path)
    rows = [
        {key: at(one, key, "text", path) for key in ("precision", "measure", "unit")}
        | {key: at(one, key, "number", path) for key in ("threads", "median", "least", "greatest", "of_bandwidth")}
        for one in items(node, "results", "object", path)
    ]
    return {"machine": at(node, "machine", "text", path), "model": at(node, "model", "text", path), "results": rows}


def read_study(folder):
    if not folder.is_dir():
        raise Bad(f"{folder}: expected a folder with results")
    study = Study(timings=read_timings(folder))
    if not study.timings:
        study.missing.append("timings: there is no timings.csv and no timings_*.json")
    for name, reader in (("compare", compare_of), ("perplexity", perplexity_of), ("bench", bench_of)):
        paths = sorted(folder.rglob(f"{name}.json"))
        if len(paths) > 1:
            raise Bad(f"{folder}: expected one {name}.json, found {paths[0]} and {paths[1]}")
        if not paths:
            study.missing.append(f"{name}: there is no {name}.json")
            continue
        found = reader(paths[0])
        setattr(study, name, found)
        if found.get("manifest") is not None:
            study.manifests[paths[0].name] = found["manifest"]
    for name, reader in (("formats", formats_of), ("islands", islands_of), ("adder", adder_of), ("patching", patching_of)):  # few studies have them
        for path in sorted(folder.rglob(f"{name}.json"))[:1]:
            setattr(study, name, reader(path))
    if study.formats and study.formats["manifest"] is not None:
        study.manifests["formats.json"] = study.formats["manifest"]
    if study.patching and study.patching["manifest"] is not None:
        study.manifests["patching.json"] = study.patching["manifest"]
    for path in sorted(folder.rglob("manifests/*.json"))[:1]:
        study.manifests["timings, first run"] = read_json(path)
    if not (study.timings or study.compare or study.perplexity or study.bench or study.formats or study.patching):
        raise Bad(f"{folder}: expected results of gpt2bench, gpt2compare or gpt2perplexity, found none")
    return study
