"""Number formats in the report of plots.py: the chapter "8 and 4 bits" with its table and its two pictures."""

import html
import math

import matplotlib.pyplot as plt
from plots_figures import Picture, finished, log_axis

KINDS = (("4 bits", "#D55E00", "s", ("w=int4", "w=nf4", "w=mxfp4")), ("8 bits", "#0072B2", "o", ("w=int8", "w=e4m3", "w=e5m2")), ("16 bits", "#009E73", "D", ("16",)))
OTHER = ("other", "#000000", "X", ())
DIVISIONS = {"operation": ("operations", "#0072B2"), "layer": ("layers", "#009E73"), "values": ("kinds of values", "#E69F00"), "detail": ("in the worst layer", "#D55E00")}
MOST_BARS = 16
MEGA = 1e6


def kind_of(name):
    """By the format of the layers' matrices."""
    return next((kind for kind in KINDS if any(word in name for word in kind[3])), OTHER)


def short_format(name):
    """What sets a format apart: options without the plugin, and without what a row of a table says anyway."""
    return name.removeprefix("reference:").replace("group=", "g").replace(":head_input=fp32", ":head input fp32").replace(":", " ")


def frontier_of(tests):
    """Those than which no other has both fewer bytes and a smaller divergence."""
    best, kept = math.inf, []
    for test in sorted(tests, key=lambda one: (one["bytes"], one["kl"])):
        if test["kl"] < best:
            best = test["kl"]
            kept.append(test)
    return kept


def formats_by_bytes(study):
    reference, whole = study.formats["reference"], study.formats["bytes"]
    tests = [test for test in study.formats["tests"] if 0 < test["bytes"] < whole and 0 < test["kl"] < math.inf]
    if not tests:
        return None
    figure, panel = plt.subplots(figsize=(7, 4.4))
    for name, colour, mark, _ in (*KINDS, OTHER):
        mine = [test for test in tests if kind_of(test["name"])[0] == name]
        if mine:
            error = [test["kl_error"] if math.isfinite(test["kl_error"]) else 0 for test in mine]
            panel.errorbar([test["bytes"] / MEGA for test in mine], [test["kl"] for test in mine], yerr=error, fmt=mark, color=colour, elinewidth=1, capsize=2, label=name)
    frontier = frontier_of(tests)
    panel.plot([test["bytes"] / MEGA for test in frontier], [test["kl"] for test in frontier], color="#999999", linewidth=0.8, zorder=0)
    for i, test in enumerate(frontier, 1):
        panel.annotate(str(i), (test["bytes"] / MEGA, test["kl"]), xytext=(-4, -4), textcoords="offset points", fontsize=7, ha="right", va="top")
    log_axis(panel.yaxis, [test["kl"] for test in tests])
    log_axis(panel.xaxis, [test["bytes"] / MEGA for test in tests])
    panel.set(xlabel="weights that a step reads, MB", ylabel=f"mean KL({reference} || format), nats", title="What bytes buy")
    panel.add_artist(panel.legend(title="matrices in", loc="upper right"))
    names = [plt.Line2D([], [], color="#444444", marker=f"${i}$", linestyle="", markersize=4.5, markeredgewidth=0.2, label=short_format(test["name"])) for i, test in enumerate(frontier, 1)]
    panel.legend(handles=names, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), title="the fewest bytes for their divergence", title_fontsize=8)
    caption = "Bars are one standard error by batch means. The line joins the formats that no other one beats in both bytes and divergence."
    caption += f" Formats that read the {whole / MEGA:.3g} MB of {reference}, as those of keys and values do, are not drawn."
    return Picture("What bytes buy", caption, finished(figure))


def words_of(part):
    layer, _, rest = part.partition(".")
    words = layer.replace("layer", "layer ")
    return f"{rest} of {words}" if rest else words


def damage_by_part(study):
    parts = [part for part in study.islands["parts"] if math.isfinite(part["restored"])]
    if not parts:
        return None
    parts = sorted(parts, key=lambda one: -one["restored"])[:MOST_BARS]
    figure, panel = plt.subplots(figsize=(7, 1.2 + 0.22 * len(parts)))
    for i, part in enumerate(parts):
        label, colour = DIVISIONS.get(part["division"], (part["division"], "#999999"))
        panel.barh(i, 100 * part["restored"], color=colour, height=0.7, label=label)
        panel.annotate(f"{100 * part['restored']:.0f}", (max(0, 100 * part["restored"]), i), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    panel.axvline(50, color="#666666", linestyle=":", linewidth=1)
    panel.set_yticks(range(len(parts)), [words_of(part["part"]) for part in parts], fontsize=8)
    panel.invert_yaxis()
    panel.grid(axis="y", visible=False)
    panel.set(xlabel="divergence that goes when this part alone is in FP32, %", title=f"Where the damage is: {short_format(study.islands['test'])}")
    handles = {bar.get_label(): bar for bar in panel.containers}
    panel.legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1, 0.5))
    caption = "Shares of a division need not add up to 100, because KL grows about with the square of an error. Dotted: half of the damage."
    return Picture("Where the damage is", caption, finished(figure))


def number(value, form):
    return "-" if math.isnan(value) else format(value, form)


def with_error(value, error, form):
    return number(value, form) + ("" if math.isnan(error) else f" ± {error:.1g}")


def row_of(test, study):
    floor = "-" if math.isnan(test["floor"]) else f"{test['floor']:.1g}"
    share = "-" if math.isnan(test["share"]) else f"{test['share']:.2f} [{test['interval'][0]:.2f}, {test['interval'][1]:.2f}]"
    cells = [with_error(test["kl"], test["kl_error"], ".3g"), floor, number(test["top1"], ".4f"), with_error(test["nll"], test["nll_error"], "+.2g")]
    cells += [f"{test['better']:.0f} : {test['worse']:.0f}", share, number(test["bytes"] / MEGA, ".3f")]
    if study.adder:
        cells.append(str(study.adder["right"].get(test["name"], "-")))
    return [test["name"], *cells]


def formats_section(study, pictures, table, figure, link):
    formats = study.formats
    yield "<h2 id='formats'>8 and 4 bits</h2>\n"
    yield f"<p>From {html.escape(formats['reference'])}, which reads {number(formats['bytes'] / MEGA, '.3f')} MB of weights a step; {formats['tokens']:.0f} tokens.</p>\n"
    head = ["format", link("kl_ref_test"), link("floor"), link("top1_agreement"), link("nll_difference"), link("direction"), "share of better", link("step_bytes")]
    if study.adder:
        head.append(f"right sums of {study.adder['sums']}")
    yield table(head, [row_of(test, study) for test in formats["tests"]])
    yield "<p class='note'>± is one standard error by batch means; the brackets are a 95 % interval. What bytes do not count are keys and values.</p>\n"
    if study.adder:
        reference = study.adder["right"].get(formats["reference"])
        yield "<p class='note'>Right sums are those of another model, which adds two numbers of two digits"
        yield f"; {html.escape(formats['reference'])} has {reference}.</p>\n" if reference is not None else ".</p>\n"
    yield figure(pictures, "formats_by_bytes")


def islands_section(study, pictures, table, figure, link):
    islands = study.islands
    yield f"<h2 id='islands'>Where the damage is</h2>\n<p>{html.escape(islands['test'])}, whose mean KL is {number(islands['kl'], '.3g')}, with one part after another back in FP32.</p>\n"
    yield figure(pictures, "damage_by_part")
    rows = [[words_of(part["part"]), part["division"], number(part["kl_ref_test"], ".3g"), number(part["restored"], ".3f")] for part in islands["parts"]]
    yield "<details><summary>all parts</summary>\n" + table(["in FP32", "division", "KL that remains", "restored"], rows) + "</details>\n"
