"""The pictures of plots.py. Colours are those of Okabe and Ito, which stay apart for colour-blind readers; marks and
dashes say the same again.
"""

import io
import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from plots_inputs import ALL_PHASES, EQUAL, PHASES, order_of

OF_TYPE = {"fp32": ("#0072B2", "o"), "fp16": ("#D55E00", "s"), "bf16": ("#009E73", "D")}
OTHERS = (("#CC79A7", "^"), ("#56B4E9", "v"), ("#E69F00", "P"), ("#000000", "X"))
MANY = ("#999999", "*")
MARKS = "osD^vPX*"
OPERATIONS = {
    "norm_qkv": "#0072B2", "attention": "#E69F00", "project_add": "#009E73", "norm_up_gelu": "#D55E00", "down_add": "#CC79A7",
    "embed": "#000000", "norm_logits": "#56B4E9",
}  # fmt: skip
PHASE_NAMES = {
    "model_initialization": "opening the model", "copy_to_device": "copy to device", "forward_pass": "forward pass",
    "copy_to_host": "copy to host", "sampling": "sampling", "copy_next_token": "copy of the next token",
}  # fmt: skip
PHASE_COLOURS = dict(zip(ALL_PHASES, ("#000000", "#56B4E9", "#0072B2", "#E69F00", "#009E73", "#CC79A7")))
STYLE = {
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": "#dddddd", "grid.linewidth": 0.6, "axes.axisbelow": True, "legend.frameon": False,
    "figure.dpi": 150, "savefig.bbox": "tight", "lines.linewidth": 1.5, "lines.markersize": 4.5, "axes.edgecolor": "#666666",
}  # fmt: skip
MOST_POINTS = 64  # of a line: more are drawn as medians of neighbours


@dataclass
class Picture:
    title: str
    caption: str
    png: bytes


class Looks:
    """Colour and mark of every precision, the same in all pictures: by its type, then by what is left."""

    def __init__(self, names):
        self.of, taken = {}, {}
        rest = list(OTHERS)
        for name in sorted(set(names), key=order_of):
            look = next((look for kind, look in OF_TYPE.items() if kind in name.lower()), None)
            if look is None or taken.get(look, short(name)) != short(name):
                look = rest.pop(0) if rest else MANY
            taken[look] = short(name)
            self.of[name] = look

    def __getitem__(self, name):
        return dict(zip(("color", "marker"), self.of[name]))


def short(name):
    """cpu-bf16 of a comparison and BF16 of a sweep are one."""
    return name.lower().removeprefix("cpu-").removeprefix("cuda-")


def plain(value, _=None):
    return f"{value:g}"


def log_axis(axis, values):
    """Labels that can be read where an axis spans less than two decades too."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    if not known:
        return
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    if max(known) / min(known) < 30:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(NullFormatter())


def length_axis(panel, lengths):
    panel.set_xscale("log", base=2)
    panel.set_xticks(sorted(set(lengths)))
    panel.xaxis.set_major_formatter(FuncFormatter(plain))
    panel.xaxis.set_minor_locator(NullLocator())


def finished(figure):
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    plt.close(figure)
    return content.getvalue()


def median(values):
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2


def thinned(points):
    points = sorted((x, y) for x, y in points if math.isfinite(y))
    size = max(1, math.ceil(len(points) / MOST_POINTS))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [median([x for x, _ in group]) for group in groups], [median([y for _, y in group]) for group in groups]


def dashes(timing):
    return "-" if timing.placement == "host" else (0, (4, 2))


def name_of(timing):
    return f"{timing.precision}, {timing.placement}"


def time_per_token(study, looks):
    longest = max(timing.length for timing in study.timings)
    runs = [timing for timing in study.timings if timing.length == longest and timing.over]
    if not runs:
        return None
    figure, panel = plt.subplots(figsize=(7, 3.8))
    for timing in runs:
        x, y = thinned(timing.over)
        panel.plot(x, y, color=looks[timing.precision]["color"], linestyle=dashes(timing), label=name_of(timing))
    panel.set_ylim(bottom=0)
    index = "position of the token" if runs[0].index == "position" else "pass"
    panel.set(xlabel=index, ylabel="milliseconds per token", title=f"Time per token, sequences of {longest} tokens")
    panel.legend(title="precision, sampler on", loc="center left", bbox_to_anchor=(1, 0.5))
    caption = (
        f"Median over the prompts of a token's whole pass, against the {index}; "
        f"where there are more than {MOST_POINTS} points, medians of neighbours are drawn."
    )
    return Picture("Time per token", caption, finished(figure))


def time_mean(study, looks):
    figure, panel = plt.subplots(figsize=(7, 3.8))
    lengths = sorted({timing.length for timing in study.timings})
    runs = sorted({(order_of(t.precision), t.placement != "host", name_of(t)) for t in study.timings})
    for i, (_, _, name) in enumerate(runs):
        mine = [timing for timing in study.timings if name_of(timing) == name and timing.token.count]
        if not mine:
            continue
        x = [lengths.index(timing.length) + 0.7 * ((i + 0.5) / len(runs) - 0.5) for timing in mine]
        look = looks[mine[0].precision]
        face = look["color"] if mine[0].placement == "host" else "white"
        error = [0 if math.isnan(timing.token.std) else timing.token.std for timing in mine]
        panel.errorbar(
            x, [timing.token.mean for timing in mine], yerr=error, fmt=look["marker"], color=look["color"],
            markerfacecolor=face, capsize=2, elinewidth=1, label=name,
        )  # fmt: skip
    panel.set_ylim(bottom=0)
    panel.set_xticks(range(len(lengths)), [str(length) for length in lengths])
    panel.set(xlabel="tokens of a sequence, T", ylabel="milliseconds per token", title="Mean time per token by precision")
    panel.legend(title="precision, sampler on", loc="center left", bbox_to_anchor=(1, 0.5))
    caption = "Mean of a token's whole pass; bars are one standard deviation of single tokens to each side, cut at zero."
    return Picture("Mean time per token", caption, finished(figure))


def time_by_phase(study, looks):
    precisions = sorted({timing.precision for timing in study.timings}, key=order_of)
    figure, panels = plt.subplots(1, len(precisions), figsize=(1.2 + 2.4 * len(precisions), 3.6), sharey=True, squeeze=False)
    values = []
    for panel, precision in zip(panels[0], precisions):
        for placement in ("host", "device"):
            runs = [timing for timing in study.timings if (timing.precision, timing.placement) == (precision, placement)]
            for phase in ALL_PHASES:
                points = [(t.length, t.phases[phase].mean) for t in runs if phase in t.phases and t.phases[phase].mean > 0]
                if not points:
                    continue
                values += [y for _, y in points]
                panel.plot(
                    *zip(*points), color=PHASE_COLOURS[phase], marker=MARKS[ALL_PHASES.index(phase)], linestyle=dashes(runs[0]),
                    markerfacecolor=PHASE_COLOURS[phase] if placement == "host" else "white",
                )  # fmt: skip
        length_axis(panel, [timing.length for timing in study.timings])
        panel.set(title=precision, xlabel="tokens of a sequence, T")
    log_axis(panels[0][0].yaxis, values)
    panels[0][0].set_ylabel("milliseconds")
    drawn = [p for p in ALL_PHASES if any(t.phases[p].mean > 0 for t in study.timings if p in t.phases)]
    keys = [plt.Line2D([], [], color=PHASE_COLOURS[p], marker=MARKS[ALL_PHASES.index(p)], label=PHASE_NAMES[p]) for p in drawn]
    keys += [plt.Line2D([], [], color="#666666", label="sampler on host"),
             plt.Line2D([], [], color="#666666", linestyle=(0, (4, 2)), label="sampler on device")]  # fmt: skip
    panels[0][-1].legend(handles=keys, loc="center left", bbox_to_anchor=(1, 0.5))
    zero = [PHASE_NAMES[p] for p in PHASES if p not in drawn]
    caption = "Mean of each phase; opening the model is once per run, the others are per pass."
    caption += f" Always zero, so not drawn: {', '.join(zero)}." if zero else ""
    return Picture("Time by phase over the length", caption, finished(figure))


def total_of(histogram):
    return sum(histogram["counts"]) + histogram["below"] + histogram["above"]


def kl_histogram(study, looks):
    tests = [test for test in study.compare["tests"] if test["histogram"] and sum(test["histogram"]["counts"]) > 0]
    if not tests:
        return None
    figure, panel = plt.subplots(figsize=(7, 3.6))
    positive = [edge for test in tests for edge in test["histogram"]["edges"] if edge > 0]
    if not positive:
        return None
    for test in tests:
        edges, counts = test["histogram"]["edges"], test["histogram"]["counts"]
        shares = [100 * count / total_of(test["histogram"]) for count in counts]
        edges = [edge if edge > 0 else min(positive) / 10 for edge in edges]
        panel.stairs(shares, edges, color=looks[test["name"]]["color"], linewidth=1.5, label=test["name"])
        panel.stairs(shares, edges, color=looks[test["name"]]["color"], fill=True, alpha=0.15)
    panel.set_xscale("log")
    panel.set(xlabel="KL(reference || test) at one position, nats", ylabel="positions, %")
    panel.set_title(f"How far the next token's distribution moves from {study.compare['reference']}")
    panel.legend(title="test", loc="center left", bbox_to_anchor=(1, 0.5))
    outside = [(test["name"], 100 * test["histogram"]["below"] / total_of(test["histogram"])) for test in tests]
    outside = [f"{name} {share:.2g} %" for name, share in outside if share > 0]
    caption = "Share of positions by their divergence."
    caption += f" Left of the picture or exactly zero: {', '.join(outside)}." if outside else ""
    return Picture("Distribution of the divergence", caption, finished(figure))


def by_range(study, looks, key, label, title):
    tests = [test for test in study.compare["tests"] if any(row["count"] > 0 for row in test[key])]
    if not tests:
        return None
    figure, panel = plt.subplots(figsize=(7, 3.6))
    values = []
    for test in tests:
        rows = [row for row in test[key] if row["count"] > 0 and row["kl_ref_test"] > 0]
        x = [(row["from"] + row["to"]) / 2 if math.isfinite(row["to"]) else row["from"] for row in rows]
        y = [row["kl_ref_test"] for row in rows]
        values += y
        panel.plot(x, y, **looks[test["name"]], label=test["name"])
        floor = test["floor"].get("kl_ref_test", 0)
        if floor > 0:
            values.append(floor)
            panel.axhline(floor, color=looks[test["name"]]["color"], linestyle=":", linewidth=1)
            panel.annotate("noise floor", (1, floor), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7,
                           color=looks[test["name"]]["color"])  # fmt: skip
    log_axis(panel.yaxis, values)
    panel.set(xlabel=label, ylabel="mean KL(reference || test), nats", title=title)
    panel.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    panel.legend(title="test", loc="center left", bbox_to_anchor=(1, 0.5))
    caption = "Mean over all positions of a range, drawn at its middle. Dotted: the noise floor of that test, where it is not zero."
    return Picture(title, caption, finished(figure))


def divergence_by_position(study, looks):
    return by_range(study, looks, "by_position", "position in the text", "Divergence by position")


def divergence_by_entropy(study, looks):
    return by_range(study, looks, "by_entropy", "entropy of the reference's distribution, nats", "Divergence by entropy")


def divergence_by_layer(study, looks):
    tests = [test for test in study.compare["tests"] if any(row["rms"] > 0 for row in test["layers"])]
    if not tests:
        return None
    last = 1 + max(row["layer"] for test in tests for row in test["layers"])
    place = {"embed": lambda layer: -1, "norm_logits": lambda layer: last}
    figure, panels = plt.subplots(1, len(tests), figsize=(1.6 + 3 * len(tests), 3.6), sharey=True, squeeze=False)
    values = []
    for panel, test in zip(panels[0], tests):
        for i, (op, colour) in enumerate(OPERATIONS.items()):
            rows = [row for row in test["layers"] if row["op"] == op and row["rms"] > 0]
            points = sorted((place.get(op, lambda layer: layer)(row["layer"]), row["rms"]) for row in rows)
            values += [y for _, y in points]
            if points:
                panel.plot(*zip(*points), color=colour, marker=MARKS[i], label=op)
        panel.set(title=test["name"], xlabel="layer")
        ticks = range(0, last, max(1, last // 6))
        panel.set_xticks([-1, *ticks, last], ["in", *ticks, "out"])
    log_axis(panels[0][0].yaxis, values)
    panels[0][0].set_ylabel("RMS error of what the operation wrote")
    handles = {line.get_label(): line for panel in panels[0] for line in panel.get_lines()}
    panels[0][-1].legend(handles.values(), handles.keys(), title="operation", loc="center left", bbox_to_anchor=(1, 0.5))
    caption = f"Difference from {study.compare['reference']} after every operation; an error of exactly zero is not drawn."
    return Picture("Divergence by layer", caption, finished(figure))


def flip_margins(study, looks):
    margins = {test["name"]: [flip["margin"] for flip in test["flips"] if math.isfinite(flip["margin"])] for test in study.compare["tests"]}
    greatest = max((margin for all_of in margins.values() for margin in all_of), default=None)
    if not greatest or greatest <= 0:
        return None
    bins = 24
    edges = [greatest * i / bins for i in range(bins + 1)]
    figure, panel = plt.subplots(figsize=(7, 3.6))
    for name, values in margins.items():
        if not values:
            continue
        counts = [0] * bins
        for value in values:
            counts[max(0, min(bins - 1, int(bins * value / greatest)))] += 1
        panel.stairs(counts, edges, color=looks[name]["color"], linewidth=1.5, label=f"{name}: {len(values)} flip{'s' * (len(values) != 1)}")
        panel.stairs(counts, edges, color=looks[name]["color"], fill=True, alpha=0.15)
    panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set(xlabel="the reference's margin: logit of its first token less that of its second", ylabel="flips")
    panel.set_title("How sure the reference was where the test chose another token")
    panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return Picture("Margins of flips", "A flip is a position where the most likely token differs.", finished(figure))


METRICS = {
    "kl_ref_test": "KL(reference || test), nats", "kl_test_ref": "KL(test || reference), nats", "js": "Jensen-Shannon, nats",
    "tvd": "total variation", "logit_mse": "MSE of logits", "logit_mse_aligned": "MSE of logits, aligned",
    "cosine": "cosine of logits", "cosine_aligned": "cosine of logits, aligned", "logprob_difference": "log-probability difference, nats", "top1_agreement": "top-1 agreement",
    "topk_overlap": "top-k overlap",
}  # fmt: skip


SIGNED = ("logprob_difference",)


def names_below(panel, names, room=24):
    """Names of precisions, turned where they would touch. room: characters beside each other."""
    crowded = sum(len(name) + 2 for name in names) > room
    panel.set_xticks(range(len(names)), names, fontsize=8, rotation=30 if crowded else 0, ha="right" if crowded else "center")
    panel.set_xlim(-0.6, len(names) - 0.4)


def draw_metric(panel, key, tests, looks):
    values = []
    for i, test in enumerate(tests):
        metric = test["metrics"].get(key)
        if not metric or not math.isfinite(metric["mean"]):
            continue
        linear = key in SIGNED or key in EQUAL
        if metric["mean"] == 0 and not linear:
            panel.annotate("0", (i, 0.03), xycoords=("data", "axes fraction"), ha="center")
            continue
        error = metric["standard_error"] if math.isfinite(metric["standard_error"]) else 0
        look = looks[test["name"]]
        panel.errorbar([i], [metric["mean"]], yerr=[error], fmt=look["marker"], color=look["color"], capsize=3)
        floor = test["floor"].get(key, math.nan)
        values += [metric["mean"], floor]
        if math.isfinite(floor) and floor > 0 and key not in SIGNED:
            level = EQUAL[key] - floor if key in EQUAL else floor
            panel.plot([i - 0.3, i + 0.3], [level, level], color="#666666", linestyle=":", linewidth=1.2)
    if key in SIGNED or key in EQUAL:
        panel.ticklabel_format(axis="y", style="plain", useOffset=False)
    else:
        log_axis(panel.yaxis, values)
    panel.set_title(METRICS[key], fontsize=9)
    names_below(panel, [test["name"] for test in tests])


def divergence_mean(study, looks):
    tests = study.compare["tests"]
    metrics = [key for key in METRICS if any(math.isfinite(test["metrics"].get(key, {}).get("mean", math.nan)) for test in tests)]
    if not metrics:
        return None
    columns = min(4, len(metrics))
    rows = math.ceil(len(metrics) / columns)
    figure, panels = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.3 * rows), squeeze=False, constrained_layout=True)
    for panel in panels.flat[len(metrics) :]:
        panel.axis("off")
    for panel, key in zip(panels.flat, metrics):
        draw_metric(panel, key, tests, looks)
    caption = f"Mean against {study.compare['reference']} with its standard error. Dotted: the noise floor, where it is not zero."
    return Picture("Divergence by precision", caption, finished(figure))


def perplexity(study, looks):
    results = [one for one in study.perplexity["results"] if math.isfinite(one["perplexity"])]
    if not results:
        return None
    paired = [one for one in results if one["difference"] and math.isfinite(one["difference"]["nll"])]
    figure, panels = plt.subplots(1, 1 + bool(paired), figsize=(3.6 * (1 + bool(paired)), 3.4), squeeze=False, constrained_layout=True)
    points(panels[0][0], [(one["precision"], one["perplexity"], one["standard_error"]) for one in results], looks, "{:.5g}")
    panels[0][0].set(ylabel="perplexity", title=f"Perplexity, protocol {study.perplexity['protocol']}")
    caption = "Bars are one standard error to each side."
    if paired:
        rows = [(one["precision"], one["difference"]["nll"], one["difference"]["standard_error"]) for one in paired]
        points(panels[0][1], rows, looks, "{:+.2e}")
        panels[0][1].axhline(0, color="#666666", linewidth=0.8)
        panels[0][1].set(ylabel="nats per token", title=f"Mean negative log-probability\nless that of {results[0]['precision']}")
        caption += " All precisions read one text, which moves them together: the difference, taken token by token, is known better."
    return Picture("Perplexity", caption, finished(figure))


def points(panel, rows, looks, label):
    """(name, value, error) side by side, each with its value."""
    for i, (name, value, error) in enumerate(rows):
        look = looks[name]
        panel.errorbar([i], [value], yerr=[error if math.isfinite(error) else 0], fmt=look["marker"], color=look["color"], capsize=4)
        panel.annotate(label.format(value), (i, value), xytext=(6, 0), textcoords="offset points", va="center", fontsize=7)
    panel.ticklabel_format(axis="y", useOffset=False, scilimits=(-3, 5))
    names_below(panel, [name for name, _, _ in rows], room=34)
    panel.set_xlim(-0.5, len(rows) - 0.25)


SPEEDS = {"prefill": "prefill", "decode": "decode, short prompt", "decode_long": "decode, long prompt", "decode_batch": "decode, batch"}


def speed(study, looks):
    rows = study.bench["results"]
    measures = [measure for measure in SPEEDS if any(row["measure"] == measure for row in rows)]
    if not measures:
        return None
    names = list(dict.fromkeys((row["precision"], int(row["threads"])) for row in rows))
    figure, panels = plt.subplots(1, len(measures), figsize=(1.5 + 2.1 * len(measures), 1.3 + 0.35 * len(names)), sharey=True, squeeze=False)
    for panel, measure in zip(panels[0], measures):
        for row in rows:
            if row["measure"] == measure and math.isfinite(row["median"]):
                error = [[row["median"] - row["least"]], [row["greatest"] - row["median"]]]
                look = looks[row["precision"]]
                panel.errorbar([row["median"]], [names.index((row["precision"], int(row["threads"])))], xerr=error,
                               fmt=look["marker"], color=look["color"], capsize=2)  # fmt: skip
        panel.set_xlim(left=0)
        panel.grid(axis="x")
        panel.set(title=SPEEDS[measure], xlabel="tokens/s")
    panels[0][0].set_yticks(range(len(names)), [f"{name}, {threads} thread{'s' * (threads != 1)}" for name, threads in names])
    panels[0][0].set_ylim(len(names) - 0.5, -0.5)
    return Picture("Speed", "Median; bars reach from the least to the greatest of all rounds.", finished(figure))


KINDS = {
    "timings": (time_per_token, time_mean, time_by_phase),
    "compare": (divergence_mean, kl_histogram, divergence_by_position, divergence_by_entropy, divergence_by_layer, flip_margins),
    "perplexity": (perplexity,),
    "bench": (speed,),
}


def draw_all(study, of_formats):
    """Pictures by name, and lines that say what is left out and why. of_formats: drawers that need no looks of precisions."""
    plt.rcParams.update(STYLE)
    names = [timing.precision for timing in study.timings]
    names += [test["name"] for test in study.compare["tests"]] if study.compare else []
    names += [one["precision"] for one in study.perplexity["results"]] if study.perplexity else []
    names += [row["precision"] for row in study.bench["results"]] if study.bench else []
    looks = Looks(names)
    pictures, left_out = {}, list(study.missing)

    def add(draw, source, picture):
        if picture:
            pictures[draw.__name__] = picture
        else:
            left_out.append(f"{draw.__name__}: {source} holds nothing to draw for it")

    for source, drawers in KINDS.items():
        for draw in drawers if getattr(study, source) else ():
            add(draw, source, draw(study, looks))
    for source, drawers in of_formats.items():
        for draw in drawers if getattr(study, source) else ():
            add(draw, source, draw(study))
    return pictures, left_out
