"""Texts and token ids as users give them."""

import numbers

import numpy as np

from ._gpt2run import UsageError


def is_text(given):
    return isinstance(given, (str, bytes))


def is_ids(given):
    """Whether it is one sequence of numbers, and not a list of texts or of sequences."""
    if is_text(given) or given is None:
        return False
    if isinstance(given, (list, tuple)):
        return len(given) > 0 and all(isinstance(one, numbers.Number) for one in given)
    return np.ndim(given) == 1


def as_ids(given, vocabulary):
    """The numbers as a list. Raises TypeError for other types, and UsageError for an id outside [0, vocabulary)."""
    ids = np.asarray(given)
    if ids.ndim != 1:
        raise TypeError(f"token ids: expected one dimension, found shape {ids.shape}")
    if ids.size == 0:
        return []
    is_whole = ids.dtype.kind in "iu" or all(type(one) is int for one in ids.tolist())  # those of Python may be any size
    if not is_whole:
        raise TypeError(f"token ids: expected whole numbers, found {ids.dtype}")
    for wrong in ids[(ids < 0) | (ids >= vocabulary)][:1]:
        raise UsageError(f"token {wrong} is out of range, the vocabulary has {vocabulary}")
    return ids.tolist()
