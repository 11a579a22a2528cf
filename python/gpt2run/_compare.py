"""Comparison of models target by target, as gpt2compare does it."""

from operator import index

import numpy as np

from . import _gpt2run, _patch
from ._log import call
from ._model import Model, load


class Comparison(dict):
    """A table: a dict of numpy arrays of one length, a row for each target of each test.

    Columns: test (index into `names`), text, position (of the target in its text), row (tokens before it, less 1), token
    (the target); for each row the metrics of gpt2compare, in nats where they are information: kl_ref_test, kl_test_ref,
    js, tvd, logit_mse, logit_mse_aligned, cosine, cosine_aligned, logprob_difference, top1_agreement, topk_overlap; of
    the reference entropy (nats) and margin (between its two best logits); ref_token and test_token (the most likely
    ones); ref_logprob and test_logprob (of the target, natural logarithms).
    """

    def __init__(self, columns, reference, names):
        super().__init__(columns)
        self.reference = reference
        self.names = names

    def summary(self):
        """A dict of arrays with a row for each test: the mean of each metric, its standard error as if targets were
        independent (with "_se" behind the name), and by batch means (with "_batch_se"), as gpt2compare prints them."""
        table = {"test": np.array(self.names), "targets": np.bincount(self["test"], minlength=len(self.names))}
        for metric in _gpt2run.metrics:
            series = [self[metric][self["test"] == test] for test in range(len(self.names))]
            table[metric] = np.array([np.add.accumulate(values)[-1] / len(values) for values in series])
            table[metric + "_se"] = np.array([_gpt2run.standard_error(values.tolist()) for values in series])
            table[metric + "_batch_se"] = np.array([_gpt2run.batch_standard_error(values.tolist()) for values in series])
        return table

    def to_pandas(self):
        """The table as a DataFrame, with the names of the tests. Raises ImportError where there is no pandas."""
        import pandas

        return pandas.DataFrame({**self, "test": np.array(self.names, dtype=object)[self["test"]]})


def compare(reference, tests, text, *, model=None, window=0, limit=0, top_k=10):
    """Compares models with a reference on the same text, target by target.

    reference: a Model, or the name of a precision. tests: a Model or a name, or a list of them. Names need `model`, which
    is what load() takes; these models are closed in the end. text: a text, token ids, or a list of either. All models
    must have one vocabulary, and the text becomes tokens by the reference's tokenizer.

    window: most tokens before a target, 0 for as many as all models hold. limit: most targets, from the first; 0 is all.
    top_k: the k of topk_overlap.

    Returns a Comparison. Raises Error for models that cannot be compared, a text of less than two tokens, and NaN.
    """
    opened = []

    def as_model(one):
        if isinstance(one, Model):
            return one
        if not isinstance(one, str):
            raise TypeError(f"compare: expected a Model or the name of a precision, found {type(one).__name__}")
        if model is None:
            raise TypeError(f"compare: the precision {one!r} needs model=")
        opened.append(load(model, precision=one))
        return opened[-1]

    try:
        first = as_model(reference)
        others = [as_model(one) for one in (tests if isinstance(tests, (list, tuple)) else [tests])]
        for one in [first, *others]:
            _patch.refuse(one, "compare")
        texts = first._texts(text)
        columns = call(
            _gpt2run.compare, first._open, [one._open for one in others], texts, index(window), index(limit), index(top_k)
        )
        return Comparison(columns, first.precision, [one.precision for one in others])
    finally:
        for one in opened:
            one.close()
