"""The logit lens: what the model would say after each layer."""

from dataclasses import dataclass, field

import numpy as np

_ROWS = 128  # rows of logits at a time


@dataclass(frozen=True, eq=False)
class Lens:
    """What Model.lens() found; equal only to itself. L layers, T tokens, K the number of tokens that were asked for.

    tokens: int32 (L + 1, T, K), the most likely next tokens after the embedding and after each layer, the likeliest first.
    probabilities: float32 (L + 1, T, K). final: int32 (T), the token that the model itself finds most likely.
    final_probability: float32 (L + 1, T), of that token after each layer. str() is a table for a fixed-width font.
    """

    tokens: np.ndarray
    probabilities: np.ndarray
    final: np.ndarray
    final_probability: np.ndarray
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
    """Looks at the residual stream of a model through its final layernorm and head, in FP32."""
    ids = model._tokens(text)
    if top < 1 or top > model.config["vocabulary"]:
        raise ValueError(f"top: expected 1 to {model.config['vocabulary']}, found {top}")
    with model.tap(["embed", "down_add"]) as taps:
        final = model.logits(ids).argmax(1).astype(np.int32)
    gain, bias, head = (model.weight(name) for name in ("lnf_w", "lnf_b", "head_w"))
    states = taps.hidden_states
    tokens = np.empty((len(states), len(ids), top), dtype=np.int32)
    probabilities = np.empty((len(states), len(ids), top), dtype=np.float32)
    of_final = np.empty((len(states), len(ids)), dtype=np.float32)
    for layer, state in enumerate(states):
        centred = state - state.mean(1, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(1, keepdims=True) + model.config["epsilon"]) * gain + bias
        for begin in range(0, len(ids), _ROWS):
            rows = slice(begin, begin + _ROWS)
            logits = normal[rows] @ head.T
            logits -= logits.max(1, keepdims=True)
            best = np.argpartition(-logits, top - 1, axis=1)[:, :top]
            order = np.take_along_axis(best, np.lexsort((best, -np.take_along_axis(logits, best, 1)), axis=1), 1)
            chosen = np.take_along_axis(logits, order, 1)
            of_target = logits[np.arange(len(logits)), final[rows]]
            mass = np.exp(logits, out=logits).sum(1, dtype=np.float64)
            tokens[layer, rows] = order
            probabilities[layer, rows] = np.exp(chosen) / mass[:, np.newaxis]
            of_final[layer, rows] = np.exp(of_target) / mass
    texts = [model.tokenizer.decode([token]) if model._open.has_tokenizer else f"#{token}" for token in ids]
    return Lens(tokens, probabilities, final, of_final, texts, model)
