"""Samplers in Python: what a user gives becomes the items of a chain that the extension module takes."""

import operator

import numpy as np


def rng_of(seed, sequence, position):
    """A generator that depends on these three numbers alone, so that a draw is the same in any batch."""
    return np.random.Generator(np.random.Philox(counter=[0, 0, 0, position], key=[seed, sequence]))


def _name(function):
    return getattr(function, "__name__", None) or type(function).__name__


def _replace(logits, result, name):
    """Writes what a function returned in place of the logits."""
    if result is logits:
        return
    values = np.asarray(result, dtype=np.float32)
    if values.size != logits.size:
        raise ValueError(f"{name}: expected {logits.size} logits, found an array of shape {values.shape}")
    logits[...] = values.reshape(logits.shape)


def _chooser(function, name):
    """A sampler of the form (logits, tokens, rng) -> id."""

    def sample(logits, tokens, seed, sequence, position):
        vocabulary = logits.size
        token = function(logits, tokens, rng_of(seed, sequence, position))
        if token is None:
            raise TypeError(
                f"{name}: expected a token id, found None; a sampler that only changes logits needs another one after it, "
                f'as in sampler=[{name}, "nucleus"]'
            )
        token = operator.index(token)
        if not 0 <= token < vocabulary:
            raise ValueError(f"{name}: expected a token id in [0, {vocabulary}), found {token}")
        return token

    return sample


def _editor(function, name):
    """A sampler of the form (logits, tokens, rng) that changes logits in place, or returns others."""

    def sample(logits, tokens, seed, sequence, position):
        result = function(logits, tokens, rng_of(seed, sequence, position))
        if result is None:
            return
        if np.ndim(result) == 0:
            raise TypeError(f"{name}: it chooses a token, so it must be the last of the chain")
        _replace(logits, result, name)

    return sample


def _is_of_transformers(processor):
    return any(cls.__module__.partition(".")[0] == "transformers" for cls in type(processor).__mro__)


def _processor(function, name):
    """A logits processor of the form (input_ids (1, T), scores (1, V)) -> scores, as Transformers has them."""
    if _is_of_transformers(function):
        import torch

        view = torch.from_numpy
    else:
        view = np.asarray

    def sample(logits, tokens, seed, sequence, position):
        result = function(view(tokens[np.newaxis].astype(np.int64)), view(logits[np.newaxis]))
        if result is not None:
            _replace(logits, result, name)

    return sample


def chain(sampler, logits_processor):
    """The items of a chain: texts that name plugins, and pairs of a name and a function.

    Processors come first, as in Transformers. A function chooses the token if it is the last item.
    """
    items = []
    processors = logits_processor or []
    for processor in processors if isinstance(processors, (list, tuple)) else [processors]:
        if not callable(processor):
            raise TypeError(f"logits_processor: expected functions, found {type(processor).__name__}")
        items.append((_name(processor), _processor(processor, _name(processor))))
    given = [] if sampler is None else sampler if isinstance(sampler, (list, tuple)) else [sampler]
    for i, one in enumerate(given):
        if isinstance(one, str):
            items.append(one)
        elif callable(one):
            wrapped = _chooser if i + 1 == len(given) else _editor
            items.append((_name(one), wrapped(one, _name(one))))
        else:
            raise TypeError(f"sampler: expected names of plugins and functions, found {type(one).__name__}")
    if items and not given:
        items.append("device-nucleus")
    return items
