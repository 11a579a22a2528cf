"""The logit lens: what the model would say after each layer."""

from dataclasses import dataclass, field

import numpy as np

from . import _gpt2run
from ._log import call


@dataclass(frozen=True, eq=False)
class Lens:
    """What Model.lens() found; equal only to itself. L layers, T tokens, K the number of tokens that were asked for.

    tokens: int32 (L + 1, T, K), the most likely next tokens after the embedding and after each layer, the likeliest first.
    probabilities: float32 (L + 1, T, K). final: int32 (T), the token that the model itself finds most likely.
    final_probability: float32 (L + 1, T), of that token after each layer. final_rank: int32 (L + 1, T), its rank, 1 for
    the most likely one. Where a layer wrote NaN, tokens are -1, ranks 0 and probabilities NaN. str() is a table for a
    fixed-width font.
    """

    tokens: np.ndarray
    probabilities: np.ndarray
    final: np.ndarray
    final_probability: np.ndarray
    final_rank: np.ndarray
    _texts: list = field(repr=False)
    _model: object = field(repr=False)

    def __str__(self):
        width = 14

        def cell(text):
            shown = repr(text)[1:-1] if isinstance(text, str) else str(text)
            return shown if len(shown) <= width else shown[: width - 3] + "..."

        def name(token):
            try:
                return self._model.tokenizer.decode([token])
            except Exception:  # a model without a tokenizer, or one that is closed
                return f"#{token}"

        rows = [["after", *(cell(text) for text in self._texts)]]
        for layer, (tokens, probabilities) in enumerate(zip(self.tokens[:, :, 0], self.probabilities[:, :, 0])):
            label = f"h.{layer - 1}" if layer else "embed"
            rows.append([label, *(cell(name(token)) + f" {share:.2f}" for token, share in zip(tokens, probabilities))])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return "\n".join("  ".join(text.ljust(size) for text, size in zip(row, widths)).rstrip() for row in rows)


def lens(model, text, top):
    """Looks at the residual stream of a model through its own end."""
    ids = model._tokens(text)
    if top < 1 or top > model.config["vocabulary"]:
        raise ValueError(f"top: expected 1 to {model.config['vocabulary']}, found {top}")
    found = call(_gpt2run.lens, model._open, ids, top, *model._inside())
    texts = [model.tokenizer.decode([token]) if model._open.has_tokenizer else f"#{token}" for token in ids]
    return Lens(*found, texts, model)
