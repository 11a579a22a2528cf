"""Activation patching: patches as arguments, and the with block in which they count."""

import json
from collections.abc import Iterable

from . import _gpt2run
from ._gpt2run import UsageError
from ._log import call

_TERMS = ("op", "layer", "positions", "heads", "from_", "from_tokens", "zero", "mean", "scale", "noise", "size")


def _joined(value, separator):
    """A number, a text, or several of them."""
    several = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    return separator.join(map(str, value)) if several else str(value)


def patch_text(terms):
    """The terms as a text that --patch takes. Raises TypeError for a name that is none of them."""
    parts = []
    for name, value in terms.items():
        if name not in _TERMS:
            raise TypeError(f"patch: expected one of {', '.join(_TERMS)}, found {name!r}")
        if name in ("zero", "mean"):
            if value is True:
                parts.append(name)
            elif value is not False:
                raise TypeError(f"patch: {name}: expected True or False, found {value!r}")
        elif value is not None:
            if name == "from_" and not isinstance(value, str):
                if isinstance(value, bytes):
                    raise TypeError("patch: from_: expected a text or token ids, found bytes")
                name = "from_tokens"
            shown = _joined(value, " " if name == "from_tokens" else "+")
            parts.append(f"{name.rstrip('_')}={json.dumps(shown, ensure_ascii=False)}")
    return ",".join(parts)


class Patches:
    """Patches of a model: Model.patch() makes it.

    In its with block they change what operations write, in every call of the model. Blocks may stand in one another: the
    patches of the outer one are applied first. A stream keeps those that it was opened with. Patches are the model's, so
    that they count in all threads.
    """

    def __init__(self, model, patches, terms):
        texts = [one for one in patches]
        for one in texts:
            if not isinstance(one, str):
                raise TypeError(f"patch: expected texts such as 'op=attention,layer=3,zero', found {type(one).__name__}")
        if terms:
            texts.append(patch_text(terms))
        if not texts:
            raise TypeError("patch: expected a patch, found none")
        self._model, self._parsed = model, []
        for i, text in enumerate(texts):
            origin = "patch" if len(texts) == 1 else f"patch (number {i + 1} of {len(texts)})"
            self._parsed.append(call(_gpt2run.parse_patch, model._open, text, origin))

    def __enter__(self):
        self._model._patches.append(self)
        return self

    def __exit__(self, *error):
        self._model._patches.remove(self)


def patches_of(model):
    """The patches that count now, in the order in which they are applied."""
    return [patch for block in list(model._patches) for patch in block._parsed]


def refuse(model, what):
    """For measurements that are not patched, and must not look as if they were."""
    if model._patches:
        raise UsageError(f"{what}: expected no patches, which only generate, stream, logits, logprobs, lens and attention have")
