"""Taps: what the operations of a model wrote."""

from collections.abc import Mapping

from . import _gpt2run
from ._gpt2run import Error
from ._log import call


class Taps(Mapping):
    """What the operations of a model wrote: Model.tap() makes it.

    A mapping from names to float32 arrays (rows, columns), with a row for each token that was fed, sorted by sequence and
    position. Names are "embed", "h.L.OP" for layer L and OP one of norm_qkv, attention, project_add, norm_up_gelu and
    down_add, and "norm_logits", which has only the rows whose logits were needed.

    It holds the values of the last call of the model in the with block, and they stay when the block has ended. The arrays
    are copies, and each look at a name gives the same one. A stream, and a call in another thread, is looked at once it has
    ended: what is looked at before stays as it was then, until the next call or the end of the block.
    """

    def __init__(self, model, ops, layers):
        self._model, self._wanted = model, (set(ops), set(layers))
        self._store, self._named = None, {}

    def __enter__(self):
        if self._model._tap is not None:
            raise Error("the model has a tap already")
        self._store = call(_gpt2run.TapStore, *self._wanted)
        self._model._tap = self
        return self

    def __exit__(self, *error):
        self._named = None  # the last values, also of a stream that was looked at before
        self._values  # copies them
        self._store = self._model._tap = None

    def _begin(self):
        """The store, for a call of the model that is about to fill it again."""
        self._named = None
        return self._store

    @property
    def _values(self):
        if self._named is None:
            tensors = self._store.tensors()
            self._named = {f"h.{layer}.{op}" if layer >= 0 else op: found for (op, layer), found in tensors.items()}
        return self._named

    def __getitem__(self, name):
        return self._values[name][0]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    def sequences(self, name):
        """The number of the sequence that each row belongs to, int64 (rows)."""
        return self._values[name][1]

    def positions(self, name):
        """The index of each row's token in its text, int32 (rows)."""
        return self._values[name][2]

    @property
    def hidden_states(self):
        """The residual stream as Hugging Face numbers it: a list of float32 (rows, C), [0] after the embedding and [i]
        after layer i. Unlike there, the last one is what the last layer wrote, before the final layernorm."""
        layers = self._model.config["layers"]
        return [self["embed"], *(self[f"h.{layer}.down_add"] for layer in range(layers))]
