"""What scripts/gpu_check.sh has found so far.

    scripts/gpu_table.py WORK               prints steps, limits of the device, prefills and the table of decodes
    scripts/gpu_table.py WORK FILE.json     writes all of it as JSON, whole or not at all
    scripts/gpu_table.py WORK PART          prints what has just been found: part-..., pdl-... or profile

WORK holds mode (gpu or rehearsal), steps.tsv (name, status, seconds, limit), versions.tsv, ceilings.json (cuda_ceilings),
part-MODEL-TYPE-SAMPLER[-wide].json and pdl-MODEL.json (gpt2bench --decode --json), prefill-MODEL-TYPE.json (gpt2bench
--json) and profile.csv (ncu); each may be missing.
"""

import csv
import json
import os
import pathlib
import sys

KERNELS = pathlib.Path(__file__).resolve().parent.parent / "tests" / "cuda" / "kernels_per_step.tsv"
LAYERS = {"124M": 12, "1558M": 48, "small": 1, "large": 2}


def rows_of_tsv(file):
    if not file.exists():
        return []
    return [line.split("\t") for line in file.read_text().splitlines() if line and not line.startswith("#")]


def kernels_per_step(sequences, layers):
    """Kernels of a decode step with its sampler, None for a number of sequences that the table does not have."""
    for count, of_layer, beside in rows_of_tsv(KERNELS):
        if int(count) == sequences:
            return int(of_layer) * layers + int(beside)
    return None


def place_of(row):
    types = ["fp32", "fp16", "bf16"]
    first = LAYERS[row["model"]], types.index(row["precision"]), row["sampler"], row["pdl"]
    return *first, row["way"] == "repeat", row["context"], row["batch"]


def cells_of(file, read):
    """The cells of one file of gpt2bench --decode."""
    parts = file.stem.split("-")
    for cell in json.loads(file.read_text())["decodes"]:
        kernels = kernels_per_step(cell["sequences"], LAYERS[parts[1]])
        yield {
            "model": parts[1],
            "precision": cell["precision"].split(":")[0].removeprefix("cuda-"),
            "sampler": parts[3] if len(parts) > 3 else "argmax",
            "pdl": cell["precision"].partition("pdl=")[2] or "auto",
            "way": cell["way"],
            "context": cell["context"],
            "batch": cell["sequences"],
            "tokens_per_s": cell["median"],
            "least": cell["least"],
            "greatest": cell["greatest"],
            "us_per_step": 1e6 * cell["sequences"] / cell["median"],
            "gb_per_s": cell["gb_per_s"],
            "of_read_bandwidth": cell["gb_per_s"] / read if read else None,
            "kernels_per_token": kernels / cell["sequences"] if kernels else None,
        }


def table_of(work, ceilings):
    read = (ceilings or {}).get("read_gb_s")
    files = sorted(work.glob("part-*.json")) + sorted(work.glob("pdl-*.json"))
    return sorted((row for file in files for row in cells_of(file, read)), key=place_of)


def profile_of(work):
    """[{kernel, metric: value}] of ncu --csv, in the order of the launches."""
    file = work / "profile.csv"
    lines = file.read_text().splitlines() if file.exists() else []
    begin = next((at for at, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    kernels = {}
    for row in csv.DictReader(lines[begin:]):
        if row.get("Metric Name"):
            own = kernels.setdefault(row["ID"], {"kernel": row["Kernel Name"].split("(")[0]})
            own[row["Metric Name"]] = f"{row['Metric Value']} {row['Metric Unit']}".strip()
    return list(kernels.values())


def prefills_of(work):
    rows = []
    for model, type_name in [(model, type_name) for model in LAYERS for type_name in ("fp16", "bf16")]:
        file = work / f"prefill-{model}-{type_name}.json"
        found = json.loads(file.read_text()) if file.exists() else {"results": []}
        for result in found["results"]:
            if result["measure"] != "prefill":
                continue
            rows.append(
                {
                    "model": model,
                    "precision": type_name,
                    "epilogue": "fused" if result["precision"].endswith(":epilogue=fused") else "exact",
                    "prompt": found["prompt_tokens"],
                    "tokens_per_s": result["median"],
                    "least": result["least"],
                    "greatest": result["greatest"],
                }
            )
    return rows


def gather(work):
    ceilings = work / "ceilings.json"
    found = json.loads(ceilings.read_text()) if ceilings.exists() else None
    mode = work / "mode"
    return {
        "mode": mode.read_text().strip() if mode.exists() else None,
        "versions": dict(rows_of_tsv(work / "versions.tsv")),
        "steps": [
            {"step": name, "status": status, "seconds": int(seconds), "limit": int(limit)}
            for name, status, seconds, limit in rows_of_tsv(work / "steps.tsv")
        ],
        "ceilings": found,
        "prefill": prefills_of(work),
        "profile": profile_of(work),
        "table": table_of(work, found),
    }


def columns(lines):
    widths = [max(map(len, column)) for column in zip(*lines)]
    return ["  ".join(word.rjust(width) for word, width in zip(line, widths)) for line in lines]


def shown(value, form):
    return "-" if value is None else format(value, form)


def text_of(all_found):
    lines = ["a rehearsal on the executor: no figure is a GPU's"] if all_found["mode"] == "rehearsal" else []
    lines += [f"{s['step']}: {s['status']}, {s['seconds']} of {s['limit']} s" for s in all_found["steps"]]
    for key, value in (all_found["ceilings"] or {}).items():
        lines.append(f"{key}: {json.dumps(value)}")
    prefills = [["model", "type", "epilogue", "prompt", "tokens/s", "least", "greatest"]]
    for row in all_found["prefill"]:
        rates = [shown(row[key], ".0f") for key in ("tokens_per_s", "least", "greatest")]
        prefills.append([row["model"], row["precision"], row["epilogue"], str(row["prompt"]), *rates])
    if len(prefills) > 1:
        lines += columns(prefills)
    return "\n".join(lines + columns_of(all_found["table"]))


def columns_of(rows):
    """The table of decodes, with a head, or nothing without rows."""
    head = ["model", "type", "sampler", "pdl", "way", "context", "batch"]
    head += ["tokens/s", "us/step", "GB/s", "of read", "kernels/token"]
    table = [head]
    for row in rows:
        table.append(
            [
                row["model"],
                row["precision"],
                row["sampler"],
                row["pdl"],
                row["way"],
                str(row["context"]),
                str(row["batch"]),
                shown(row["tokens_per_s"], ".0f"),
                shown(row["us_per_step"], ".1f"),
                shown(row["gb_per_s"], ".1f"),
                shown(row["of_read_bandwidth"], ".1%"),
                shown(row["kernels_per_token"], ".1f"),
            ]
        )
    return columns(table) if rows else []


def part_of(work, part):
    """The lines of what a step has just found."""
    if part != "profile":
        return columns_of(list(cells_of(work / f"{part}.json", None)))
    return [", ".join(value if key == "kernel" else f"{key} {value}" for key, value in row.items()) for row in profile_of(work)]


def main(arguments):
    if len(arguments) not in (1, 2):
        print("usage: scripts/gpu_table.py WORK [FILE.json|PART]", file=sys.stderr)
        return 2
    try:
        if len(arguments) == 2 and not arguments[1].endswith(".json"):
            print("\n".join(part_of(pathlib.Path(arguments[0]), arguments[1])))
            return 0
        found = gather(pathlib.Path(arguments[0]))
        if len(arguments) == 1:
            print(text_of(found))
            return 0
        fresh = arguments[1] + ".new"
        pathlib.Path(fresh).write_text(json.dumps(found, indent=1) + "\n")
        os.replace(fresh, arguments[1])
        return 0
    except (OSError, ValueError, KeyError) as error:
        print(f"scripts/gpu_table.py: error: {error!r}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
