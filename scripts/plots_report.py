"""The report of plots.py: one page that needs no other file. Every metric in a table leads to the sentence that says
what it is.
"""

import base64
import html
import json
import math

from plots_figures import PHASE_NAMES, short
from plots_formats import formats_section, islands_section
from plots_patching import patching_section
from plots_inputs import ALL_PHASES, EQUAL, is_below, order_of

MOST_OF_MANIFEST = 20000  # characters
LARGEST_OF_FP16 = 65504
MOST_ROWS = 10  # of a list that may be long

# key: (name, what it is). All logarithms are natural.
DEFINITIONS = {
    "kl_ref_test": ("KL(reference || test)", "What is lost when the test's distribution p' stands in for the reference's p: the sum of p ln(p / p'), in nats, 0 where both are equal."),
    "kl_test_ref": ("KL(test || reference)", "The same with the sides changed: the sum of p' ln(p' / p), in nats."),
    "js": ("Jensen-Shannon divergence", "The mean of the KL divergences of both distributions from their average, in nats, between 0 and ln 2."),
    "tvd": ("total variation distance", "Half the sum of |p - p'|: the largest difference in probability that any set of tokens can have, between 0 and 1."),
    "logit_mse": ("MSE of logits", "The mean over the vocabulary of the squared difference of logits as they are."),
    "logit_mse_aligned": ("MSE of logits, aligned", "The same after each side's mean logit is taken away: a constant added to all logits changes no probability."),
    "cosine": ("cosine of logits", "The cosine of the angle between both rows of logits as they are, 1 where they point the same way."),
    "cosine_aligned": ("cosine of logits, aligned", "The same after each side's mean logit is taken away."),
    "logprob_difference": ("log-probability difference", "The test's log-probability of the text's own next token less the reference's, in nats. Its mean has a sign; its floor is of its size, the mean without signs."),
    "top1_agreement": ("top-1 agreement", "The share of positions where both sides hold the same token for the most likely."),
    "topk_overlap": ("top-k overlap", "The share of the reference's k most likely tokens that are among the test's k."),
    "nll_difference": ("NLL difference", "The mean negative log-probability of the text's own tokens less that of the reference, in nats: above 0 the format knows the text less well."),
    "direction": ("better : worse", "Of the positions whose most likely token changes, those where the text's own token becomes more likely, and those where it becomes less likely. If the interval of the share holds 0.5, the direction cannot be told."),
    "step_bytes": ("MB a step", "Bytes of weights that a step reads in this format, with the scales and zero points that it needs, in millions."),
    "floor": ("noise floor", "How far the same metric is from that of two equal sides when only the way of computing changes and the type does not: batch, threads, order of sums. What is not above it cannot be told from rounding luck."),
    "flip": ("flip", "A position where the test's most likely token is another than the reference's; its margin is how far the reference's first token was before its second."),
    "perplexity": ("perplexity", "exp of the mean negative log-probability of the text's tokens: the number of equally likely tokens that would surprise as much."),
    "bits_per_byte": ("bits per byte", "The text's negative log-probability in bits over its bytes: comparable between tokenizers."),
    "difference": ("difference from the first", "The mean negative log-probability less that of the first precision, nats: taken token by token, so that its standard error leaves out what the text does to both."),
    "standard_error": ("standard error", "The standard deviation over the root of the count: how far the mean would scatter if the text were drawn again and tokens were independent."),
    "token_time": ("time per token", "Milliseconds of a whole forward pass that chose a token, sampling and copies included."),
    "headroom": ("headroom", "How many times the largest value fits into 65504, the largest finite number of FP16: below 1 it overflows."),
    "subnormal_share": ("subnormal share", "The share of values that are not zero and so small that FP16 has fewer bits for them, below 2^-14: here of what the test wrote."),
    "of_bandwidth": ("share of bandwidth", "The weights read per second over the memory's read bandwidth in the same run: 1 means that nothing but reading is waited for."),
}  # fmt: skip

CSS = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; border-bottom: 1px solid #ccc; }
table { border-collapse: collapse; margin: 0.8rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.8rem 0.2rem 0; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child, td:first-child, .text { text-align: left; }
figure { margin: 1.2rem 0; } img { max-width: 100%; } figcaption, .note { color: #555; font-size: 0.9rem; }
pre { background: #f6f6f6; padding: 0.8rem; overflow: auto; font-size: 0.8rem; max-height: 30rem; }
summary { cursor: pointer; font-weight: 600; margin-top: 1rem; }
a { color: #0060a0; text-decoration: none; } a:hover { text-decoration: underline; }
.below { color: #777; font-style: italic; } dt { font-weight: 600; margin-top: 0.5rem; } dd { margin-left: 1.2rem; }
"""


class Cell(str):
    """HTML that is already escaped."""


def text(value):
    return value if isinstance(value, Cell) else html.escape(str(value))


def number(value, digits=4):
    return "-" if math.isnan(value) else f"{value:.{digits}g}"


def whole(value):
    return "-" if not math.isfinite(value) else f"{value:.0f}"


def link(key):
    name = DEFINITIONS[key][0] if key in DEFINITIONS else key
    return Cell(f'<a href="#{html.escape(key)}">{html.escape(name)}</a>') if key in DEFINITIONS else name


def table(head, rows):
    lines = ["<table><thead><tr>", *(f"<th>{text(cell)}</th>" for cell in head), "</tr></thead><tbody>"]
    for row in rows:
        lines += ["<tr>", *(f"<td>{text(cell)}</td>" for cell in row), "</tr>"]
    return "".join(lines) + "</tbody></table>\n"


def figure(pictures, name):
    if name not in pictures:
        return ""
    picture = pictures[name]
    data = base64.b64encode(picture.png).decode()
    return (
        f'<figure><img alt="{html.escape(picture.title, quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>\n"
    )


def likeness(key, value):
    """What is nearly 1 for every precision is told by what is missing."""
    if key in EQUAL and 0 < 1 - value < 0.01:
        return f"1 - {number(1 - value)}"
    return number(value)


def with_error(key, metric):
    if math.isnan(metric["standard_error"]):
        return likeness(key, metric["mean"])
    return f"{likeness(key, metric['mean'])} ± {number(metric['standard_error'], 2)}"


def metric_rows(test):
    for key, metric in test["metrics"].items():
        floor = test["floor"].get(key, math.nan)
        mean = with_error(key, metric)
        if is_below(test, key):
            mean = Cell(f'<span class="below">{html.escape(mean)} (not above the floor)</span>')
        where, position = metric["where"]
        at = f"{where}: {whole(position)}" if where and not math.isnan(position) else where or whole(position)
        values = [metric["median"], *(metric["percentiles"].get(share, math.nan) for share in ("1", "99")), metric["max"]]
        yield [link(key), mean, *(likeness(key, value) for value in values), shortened(at), number(floor)]


def shortened(line, most=60):
    line = " ".join(line.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def token(flip, side):
    words = flip.get(f"{side}_text")
    return shortened(f"{words!r}" if isinstance(words, str) else str(flip.get(f"{side}_token", "")), 30)


def test_section(test):
    head = ["metric", Cell(f"mean ± {link('standard_error')}"), "median", "1 %", "99 %", "farthest", "at", link("floor")]
    yield f"<details open><summary>{text(test['name'])}: all metrics</summary>\n"
    yield table(head, metric_rows(test))
    if test["has_flips"]:
        flips = sorted(test["flips"], key=lambda flip: -flip["margin"] if math.isfinite(flip["margin"]) else 0)
        yield f"<p>{len(flips)} <a href='#flip'>flip{'s' * (len(flips) != 1)}</a>{'; those with the largest margins:' if flips else '.'}</p>\n"
        if flips:
            rows = [[shortened(str(f["node"].get("text", ""))), whole(f["position"]), token(f["node"], "ref"), token(f["node"], "test"), number(f["margin"])] for f in flips[:MOST_ROWS]]  # fmt: skip
            yield table(["text", "position", "reference's token", "test's token", "margin"], rows)
    if test["ranges"]:
        closest = sorted(test["ranges"], key=lambda row: -row["max"] if math.isfinite(row["max"]) else -math.inf)[:MOST_ROWS]
        yield f"<p>What the operations of {text(test['name'])} wrote, those with the largest values. gpt2compare --full has the same of the reference.</p>\n"
        rows = [[r["op"], whole(r["layer"]) if r["layer"] >= 0 else "-", number(r["max"]), number(LARGEST_OF_FP16 / r["max"] if r["max"] else math.inf), number(r["subnormal_share"])] for r in closest]
        yield table(["operation", "layer", "max |x|", link("headroom"), link("subnormal_share")], rows)
    yield "</details>\n"


def is_apart(spread):
    """Median and mean more than twofold: passes of two kinds, of which neither is what one takes."""
    return max(spread.median, spread.mean) > 2 * min(spread.median, spread.mean)


def time_of(spread):
    return f"{number(spread.median)} ms, mean {number(spread.mean)} ms{' *' if is_apart(spread) else ''}"


def summary_section(study):
    """A line for each precision, whatever the programs call it: cpu-bf16, BF16."""
    columns = {}
    if study.compare:
        for test in study.compare["tests"]:
            for key in ("kl_ref_test", "top1_agreement"):
                if key in test["metrics"]:
                    columns.setdefault(link(key), {})[short(test["name"])] = with_error(key, test["metrics"][key])
    if study.perplexity:
        for one in study.perplexity["results"]:
            cell = f"{number(one['perplexity'], 5)} ± {number(one['standard_error'], 2)}"
            columns.setdefault(link("perplexity"), {})[short(one["precision"])] = cell
    longest = max((timing.length for timing in study.timings), default=0)
    for timing in study.timings:
        if timing.length == longest:
            head = Cell(f"{link('token_time')}, T {longest}, sampler on {timing.placement}")
            columns.setdefault(head, {})[short(timing.precision)] = time_of(timing.token)
    names = sorted({name for column in columns.values() for name in column}, key=order_of)
    if names:
        yield "<h2 id='summary'>In short</h2>\n"
        yield table(["precision", *columns], [[name, *(column.get(name, "-") for column in columns.values())] for name in names])
        if study.timings:
            yield "<p class='note'>A time is the median of all passes, with their mean.</p>\n"
        if any(timing.length == longest and is_apart(timing.token) for timing in study.timings):
            yield "<p class='note'>* Median and mean differ more than twofold: something else was running at times. At most the median is to be believed; better take the times again.</p>\n"
        if study.compare:
            yield f"<p class='note'>Divergence is from {text(study.compare['reference'])}; ± is one {link('standard_error')}.</p>\n"


def compare_section(study, pictures):
    compare = study.compare
    yield "<h2 id='divergence'>Divergence</h2>\n"
    yield f"<p>From {text(compare['reference'])}: {whole(compare['tokens'])} tokens of {whole(compare['texts'])} text{'s' * (compare['texts'] != 1)}, the same for every precision.</p>\n"
    for name in ("divergence_mean", "kl_histogram", "divergence_by_position", "divergence_by_entropy", "divergence_by_layer", "flip_margins"):
        yield figure(pictures, name)
    for test in compare["tests"]:
        yield from test_section(test)


def difference(result):
    found = result["difference"]
    return f"{number(found['nll'], 3)} ± {number(found['standard_error'], 2)}" if found else "-"


def perplexity_section(study, pictures):
    yield f"<h2 id='perplexities'>Perplexity</h2>\n<p>Protocol {text(study.perplexity['protocol'])}.</p>\n"
    head = ["precision", link("perplexity"), link("standard_error"), "tokens", link("bits_per_byte"), link("difference")]
    rows = [[one["precision"], number(one["perplexity"], 6), number(one["standard_error"], 2), whole(one["tokens"]), number(one["bits_per_byte"]), difference(one)] for one in study.perplexity["results"]]  # fmt: skip
    yield table(head, rows) + figure(pictures, "perplexity")


def timings_section(study, pictures):
    yield "<h2 id='times'>Time</h2>\n<p>Milliseconds.</p>\n"
    used = [key for key in ALL_PHASES if any(one.phases[key].mean > 0 for one in study.timings if key in one.phases)]
    head = ["precision", "sampler on", "T", "tokens", Cell(f"{link('token_time')}: median"), "mean", "std", *(PHASE_NAMES[key] for key in used)]
    rows = []
    for one in study.timings:
        phases = [number(one.phases[key].mean) if key in one.phases else "-" for key in used]
        rows.append([one.precision, one.placement, one.length, one.token.count, *map(number, (one.token.median, one.token.mean, one.token.std)), *phases])  # fmt: skip
    yield table(head, rows)
    for name in ("time_mean", "time_per_token", "time_by_phase"):
        yield figure(pictures, name)


def bench_section(study, pictures):
    bench = study.bench
    yield f"<h2 id='speeds'>Speed</h2>\n<p>{text(bench['machine'])}; {text(bench['model'])}.</p>\n"
    head = ["precision", "threads", "measure", "median", "least", "greatest", "unit", link("of_bandwidth")]
    rows = [[row["precision"], whole(row["threads"]), row["measure"], *(number(row[key]) for key in ("median", "least", "greatest")), row["unit"], number(row["of_bandwidth"], 2)] for row in bench["results"]]  # fmt: skip
    yield table(head, rows) + figure(pictures, "speed")


def definitions_section():
    yield "<h2 id='definitions'>What the numbers are</h2>\n<p>All logarithms are natural; a nat is 1.44 bits.</p>\n<dl>"
    for key, (name, sentence) in DEFINITIONS.items():
        yield f'<dt id="{key}">{html.escape(name)}</dt><dd>{html.escape(sentence)}</dd>'
    yield "</dl>\n"


def manifest_section(study):
    if not study.manifests:
        return
    yield "<h2 id='manifests'>Manifests</h2>\n<p>What was run, by which files, with which options.</p>\n"
    for name, manifest in study.manifests.items():
        record = json.dumps(manifest, indent=1, ensure_ascii=False)
        if len(record) > MOST_OF_MANIFEST:
            record = record[:MOST_OF_MANIFEST] + f"\n... ({len(record) - MOST_OF_MANIFEST} more characters)"
        yield f"<details><summary>{text(name)}</summary><pre>{html.escape(record)}</pre></details>\n"


SECTIONS = (("compare", compare_section), ("perplexity", perplexity_section), ("timings", timings_section), ("bench", bench_section))


def of_formats(study, pictures):
    for source, section in (("formats", formats_section), ("islands", islands_section), ("patching", patching_section)):
        if getattr(study, source):
            yield from section(study, pictures, table, figure, link)


def html_of(study, pictures, left_out):
    parts = ["<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>Precision study</title>\n"]
    parts.append(f"<style>{CSS}</style></head><body>\n<h1>What number types do to GPT-2</h1>\n")
    parts.append("<p>Names of metrics lead to <a href='#definitions'>what they are</a>.</p>\n")
    parts += summary_section(study)
    for source, section in SECTIONS:
        if getattr(study, source):
            parts += section(study, pictures)
        if source == "compare":
            parts += of_formats(study, pictures)
    parts += definitions_section()
    parts += manifest_section(study)
    if left_out:
        parts.append("<h2>Left out</h2>\n<ul>" + "".join(f"<li>{text(line)}</li>" for line in left_out) + "</ul>\n")
    return "".join(parts) + "</body></html>\n"
