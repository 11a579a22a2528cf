"""The heat map of `gpt2compare --patch_sweep` in the report of plots.py: which layer and position carry the answer."""

import html
import math

import matplotlib.pyplot as plt
from plots_figures import Picture, finished

MOST_OF_TOKEN = 12  # characters below a column
MOST_COLUMNS = 48  # with a token below each
NO_NUMBER = "#bbbbbb"


def shown(token):
    """A blank at the front is part of a token, and would not be seen. A dollar sign would begin a formula."""
    text = token.replace(" ", "\u2423", 1) if token.startswith(" ") else token
    text = "".join(c if c.isprintable() else "?" for c in text).replace("$", r"\$")
    return text if len(text) <= MOST_OF_TOKEN else text[: MOST_OF_TOKEN - 1] + "\u2026"


def metric_of(sweep):
    names = [f'"{shown(text)}"' for text in sweep["answers"]]
    return f"the logit of {names[0]} minus that of {names[1]}" if len(names) > 1 else f"the probability of {names[0]}"


def draw_map(figure, panel, one, most):
    picture = panel.imshow(one["effects"], cmap="RdBu_r", vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    panel.set_facecolor(NO_NUMBER)
    panel.grid(visible=False)
    panel.set_yticks(range(len(one["layers"])), ["-" if layer < 0 else str(layer) for layer in one["layers"]])
    columns = range(0, len(one["positions"]), max(1, math.ceil(len(one["positions"]) / MOST_COLUMNS)))
    panel.set_xticks(list(columns), [shown(one["texts"][i]) for i in columns], rotation=60, ha="right", fontsize=7)
    panel.set(ylabel="layer", title=one["op"])
    figure.colorbar(picture, ax=panel, label="effect", pad=0.02)


def patch_effect(study):
    sweep = study.patching["sweep"]
    maps = [one for one in sweep["maps"] if any(math.isfinite(x) for row in one["effects"] for x in row)] if sweep else []
    if not maps:
        return None
    sizes = [abs(x) for one in maps for row in one["effects"] for x in row if math.isfinite(x)]
    width = min(12, 2.6 + 0.34 * max(len(one["positions"]) for one in maps))
    heights = [1.3 + 0.22 * len(one["layers"]) for one in maps]
    figure, panels = plt.subplots(len(maps), figsize=(max(5, width), 0.6 + sum(heights)), squeeze=False, gridspec_kw={"height_ratios": heights}, layout="constrained")
    for panel, one in zip(panels[:, 0], maps):
        draw_map(figure, panel, one, max(sizes) or 1)
    panels[-1, 0].set_xlabel("token at the patched position")
    if math.isnan(sweep["clean"]):
        caption = f"The change of {metric_of(sweep)} after the last token, when one layer and one position alone are patched."
    else:
        caption = f"What one layer and one position alone restore of {metric_of(sweep)}, from {sweep['corrupted']:.3g} after the prompt (0) to {sweep['clean']:.3g} after the donor (1)."
    return Picture("Which layer carries it", caption.replace(r"\$", "$"), finished(figure))


def patching_section(study, pictures, table, figure, link):
    patching = study.patching
    yield f"<h2 id='patching'>Which layer carries it</h2>\n<p>{html.escape(patching['precision'])}"
    yield "".join(f", --patch {html.escape(patch)}" for patch in patching["patches"])
    if patching["sweep"]:
        yield f", --patch_sweep {html.escape(patching['sweep']['patch'])}"
    yield ".</p>\n"
    yield figure(pictures, "patch_effect")
