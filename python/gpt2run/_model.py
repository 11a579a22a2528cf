"""Models: opening them, and continuing and scoring texts."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from inspect import signature
from operator import index

import numpy as np

from . import _gpt2run, _ids, _lens, _patch, _sampling
from ._gpt2run import Error, UsageError
from ._log import call
from ._taps import Taps


def load(model=None, *, precision=None, loader=None, tokenizer=None, threads=0, device=0, batch=1, context=0):
    """Opens a model.

    model: a folder or file that gpt2run reads, a name in Hugging Face's cache, or "synthetic:124M"; else the environment
    variable GPT2RUN_MODEL, else the demo model. precision: "fp32" (the default), "fp16", "bf16", or a plugin with its
    options, such as "cpu-bf16:isa=portable". loader, tokenizer: as the program's options of these names. threads: worker
    threads, 0 for one per core. device: ordinal of the GPU.

    batch: how many sequences generate() runs at a time. context: tokens of each, 0 for the model's own. Memory for these
    is taken now: keys and values of batch x context positions.

    Returns a Model, to be closed by close(), by the end of a with block, or when nothing refers to it. Raises Error for
    files that are missing or wrong, and for a precision that cannot run here.
    """
    given = {"model": model, "precision": precision, "loader": loader, "tokenizer": tokenizer}
    settings = [(key, os.fspath(value)) for key, value in given.items() if value is not None]
    settings += [(key, str(index(value))) for key, value in (("threads", threads), ("device", device)) if value]
    return Model(call(_gpt2run.open_model, settings, index(batch), index(context)))


@dataclass(frozen=True, eq=False)
class Completion:
    """What became of one sequence. Two of them are equal only if they are the same object.

    text: the new text. tokens: its ids, int32 (N). logprobs: their natural log-probabilities under the raw logits, float32
    (N). finish_reason: "length", "context" (it is full), "end_of_text" or "stop".
    """

    text: str
    tokens: np.ndarray
    logprobs: np.ndarray
    finish_reason: str


class Perplexity(float):
    """A perplexity, which is a float, and what belongs to it.

    standard_error: as if tokens were independent, and batch_standard_error: by batch means, both of the perplexity. nll:
    the mean negative log-probability in nats. tokens: how many were scored. bits_per_byte: of their text, or None where
    some token has no text.
    """

    def __new__(cls, nll, nll_error, nll_batch_error, tokens, text_bytes):
        self = super().__new__(cls, np.exp(nll))
        self._parts = (nll, nll_error, nll_batch_error, tokens, text_bytes)
        self.nll, self.tokens = nll, tokens
        self.standard_error, self.batch_standard_error = float(self) * nll_error, float(self) * nll_batch_error
        self.bits_per_byte = nll * tokens / float(np.log(2)) / text_bytes if text_bytes else None
        return self

    def __getnewargs__(self):
        return self._parts


class Tokenizer:
    """The tokenizer of a model, for any thread. Its functions raise Error where the model has none, and once it is closed."""

    def __init__(self, model):
        self._model = model

    def __len__(self):
        """The highest id plus one."""
        return self._model._open.tokens()

    @property
    def end_of_text(self):
        """The id that ends a text, or None."""
        token = self._model._open.end_of_text()
        return token if token >= 0 else None

    def encode(self, text, *, special=True):
        """The ids of a text, as a list of int. text: str, or bytes. special: whether special tokens in it become their ids."""
        if not _ids.is_text(text):
            raise TypeError(f"encode: expected a text, found {type(text).__name__}")
        text = text.encode("utf-8") if isinstance(text, str) else text
        return self._model._open.encode(text, bool(special))

    def decode(self, ids, *, errors="replace"):
        """The text of ids. errors: as in bytes.decode(), for bytes that are not UTF-8, such as a part of a character."""
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids):
        """The bytes of the text of ids."""
        return self._model._open.decode(_ids.as_ids(ids, len(self)))

    def piece(self, token):
        """The bytes of one token, which may be part of a character."""
        (token,) = _ids.as_ids([token], len(self))
        return self._model._open.piece(token)


class Stream:
    """The text of a sequence piece by piece: Model.stream() makes it.

    An iterator over str, for one thread at a time. Until it has come to its end, or close() was called, the model cannot
    be used for anything else.
    """

    def __init__(self, model, run):
        self._model, self._run = model, run

    def __iter__(self):
        return self

    def __next__(self):
        if self._model.closed:
            self.close()
        self._model._open
        try:
            while (run := self._run) is not None:
                goes_on, text = call(run.step)
                if not goes_on:
                    self.close()
                if text:
                    return text.decode("utf-8", "replace")
        except Error:  # it has closed the run, unless another thread is in it, which reads on
            raise
        except BaseException:  # such as a KeyboardInterrupt, whose frames would keep the run
            self.close()
            raise
        raise StopIteration

    def close(self):
        """Ends the sequence, and lets the model go."""
        if self._run is not None:
            self._run.close()
        self._run = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def _takes_arguments_of(run):
    """For a function that passes its **arguments on to `run`: they are shown in its signature."""

    def decorate(function):
        own = signature(function)
        passed = [one for one in signature(run).parameters.values() if one.kind in (one.KEYWORD_ONLY, one.VAR_KEYWORD)]
        kept = [one for one in own.parameters.values() if one.kind != one.VAR_KEYWORD]
        function.__signature__ = own.replace(parameters=[*kept, *passed])
        return function

    return decorate


class Model:
    """A model that load() has opened.

    Any thread may call it. A thread waits while another one computes; several models compute at the same time. In a
    forked child it cannot be used. After close() every function raises Error.
    """

    def __init__(self, opened):
        self._opened, self._tap, self._patches = opened, None, []
        self.tokenizer = Tokenizer(self)
        self.config = opened.config
        self.traits = opened.traits
        self.path = os.fsdecode(opened.path)
        self.precision = opened.precision
        self.batch, self.context = opened.batch, opened.context

    @property
    def _open(self):
        if self._opened is None:
            raise Error("the model is closed")
        return self._opened

    @property
    def closed(self):
        """Whether close() was called."""
        return self._opened is None

    def close(self):
        """Gives the model's memory back, once nothing computes with it any more. Arrays stay valid."""
        self._opened = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        state = ", closed" if self.closed else ""
        return f"<gpt2run.Model {self.path!r}, precision {self.precision}{state}>"

    def _tokens(self, given):
        """The ids of a text or of ids."""
        if _ids.is_text(given):
            return self.tokenizer.encode(given)
        return _ids.as_ids(given, self.config["vocabulary"])

    def _texts(self, given):
        """A list of lists of ids, of one text or of several."""
        if _ids.is_text(given) or _ids.is_ids(given):
            return [self._tokens(given)]
        return [self._tokens(one) for one in given]

    def _prompts(self, prompt):
        if prompt is None:
            start = self.config["start_of_text"]
            start = start if start >= 0 else self.config["end_of_text"]
            if start < 0:
                raise Error("the model has no start-of-text or end-of-text token to start from: give a prompt")
            return [[start]]
        return self._texts(prompt)

    def _run(
        self,
        is_stream,
        prompts,
        samples,
        logprobs,
        /,
        *,
        max_new_tokens=64,
        sampler=None,
        logits_processor=None,
        seed=42,
        stop=None,
        ignore_eos=False,
        context_shift=0,
        **options,
    ):
        run = _gpt2run.RunOptions()
        run.max_new = index(max_new_tokens)
        run.seed = secrets.randbits(64) if seed is None else _seed(seed)
        run.stops = [stop] if isinstance(stop, str) else list(stop or [])
        run.samples, run.logprobs = index(samples), bool(logprobs)
        run.ignore_eos, run.context_shift = bool(ignore_eos), index(context_shift)
        chain = _sampling.chain(sampler, logits_processor)
        plugin_options = [(name, _shown(value)) for name, value in options.items()]
        return call(_gpt2run.open_run, self._open, is_stream, prompts, run, chain, plugin_options, *self._inside())

    @_takes_arguments_of(_run)
    def generate(self, prompt=None, *, samples=1, details=False, **arguments):
        """Continues a prompt, or several.

        prompt: a text, token ids, or a list of either; None starts at the model's start-of-text or end-of-text token. A
        list runs as many at a time as load() was told by batch.

        sampler: as the program's option --sampler, such as "nucleus" or "repetition-penalty:penalty=1.2,argmax"; a
        function (logits, tokens, rng) -> id; or a list of both. logits: float32 (V). tokens: int32 (T), what came before,
        of which a context shift has kept only the last ones. rng: a numpy Generator that depends on seed, sequence and position alone. A function that is not the last one
        changes logits in place, or returns others; -inf drops a token. All arrays are copies of its own.
        logits_processor: functions (input_ids, scores) -> scores as in Transformers, of int64 (1, T) and float32 (1, V),
        which come before the samplers. Objects of Transformers get and return tensors of torch.
        options: those of the samplers, such as top_p=0.9 or temperature=0.7; others have their sampler's name before them,
        as in **{"repetition-penalty.penalty": 1.2}.

        seed: a whole number below 2**64, or None for a random one. samples: sequences for each prompt. stop: a text, or a
        list of texts, that ends a sequence and is not part of it. ignore_eos: go on after an end-of-text token.
        context_shift: when the context is full, go on with this many of the last tokens, -1 for half of it; 0 ends there.

        Returns the new text, as str. With a list of prompts, or with samples other than 1, a list of them: sequence
        number = prompt x samples + sample. With details=True each is a Completion.

        Raises Error and UsageError, KeyboardInterrupt between two steps, and what a function raises. The model can be
        used again afterwards.
        """
        is_one = (prompt is None or _ids.is_text(prompt) or _ids.is_ids(prompt)) and samples == 1
        prompts = self._prompts(prompt)
        if not prompts:
            return []
        run = self._run(False, prompts, samples, details, **arguments)
        try:
            found = call(run.finished)
        finally:
            run.close()
        results = [text.decode("utf-8", "replace") for text, *_ in found]
        if details:
            results = [Completion(text, *rest) for text, (_, *rest) in zip(results, found)]
        return results[0] if is_one else results

    @_takes_arguments_of(_run)
    def stream(self, prompt=None, **arguments):
        """Continues one prompt and returns a Stream, which gives the new text piece by piece as it is computed.

        The arguments are those of generate(), and the pieces together are its text. A piece is whole characters.
        """
        prompts = self._prompts(prompt)
        if len(prompts) != 1:
            raise UsageError(f"stream: expected one prompt, found {len(prompts)}")
        return Stream(self, self._run(True, prompts, 1, False, **arguments))

    def _inside(self):
        """What a call does inside of the model: its patches, and the store of its tap or None."""
        return _patch.patches_of(self), self._tap._begin() if self._tap is not None else None

    def _score(self, text, wants_logits):
        return call(_gpt2run.score, self._open, self._tokens(text), wants_logits, *self._inside())

    def logits(self, text):
        """The raw logits of a text: float32 (T, V). Row i is what the model expects after the tokens 0 to i.

        text: a text or token ids, 1 to `context` of them. Raises Error for another number, and UsageError for an id
        outside of the vocabulary.
        """
        return self._score(text, True)[0]

    def logprobs(self, text):
        """The natural log-probabilities of a text's tokens: float32 (T - 1). Element i is that of token i + 1 after the
        tokens 0 to i. text: as in logits(), and Raises as there."""
        return self._score(text, False)[1]

    def perplexity(self, text, protocol="hf-stride", *, max_length=0, stride=0):
        """The perplexity of a text, or of several together, by a protocol of gpt2perplexity.

        text: a text, token ids, or a list of either. protocol: "original", "hf-stride", "llama" or "document". max_length,
        stride: tokens of a window, and from the start of one to the next; 0 for the protocol's own.

        Returns a Perplexity, which is a float. Raises UsageError for a protocol and lengths that do not go together, and
        Error for a text that is too short, or too long for the protocol. Taps do not see it, and in a block of patch() it is
        a UsageError.
        """
        _patch.refuse(self, "perplexity")
        result = call(_gpt2run.perplexity, self._open, self._texts(text), protocol, index(max_length), index(stride))
        return Perplexity(*result)

    def tap(self, ops=(), layers=()):
        """A Taps, to be used in a with block, in which it collects what the operations of this model write.

            with model.tap(ops=["attention"], layers=[0, 1]) as taps:
                model.logits("Once upon a time")
            taps["h.1.attention"]   # float32 (T, C)

        ops, layers: which ones, none for all; embed and norm_logits are of layer -1. Raises Error for an unknown operation
        and, when the model is called, for a precision without taps. The results of the model do not change by a bit.
        """
        return Taps(self, [ops] if isinstance(ops, str) else ops, layers)

    def patch(self, *patches, **terms):
        """Activation patching: a with block in which operations write other values.

            with model.patch(op="down_add", layer=0, positions=1, from_="The queen was very angry"):
                patched = model.logits("The king was very angry")

        What is computed before a patch keeps its bits, and all that follows is computed from the new values.

        patches: texts as --patch of the programs takes them, such as "op=attention,layer=2-3,positions=last,zero"; they
        are applied in order. terms: one patch by its terms. op: embed, norm_qkv, attention, project_add, norm_up_gelu,
        down_add or norm_logits. layer, positions, heads: a number, a text such as "3-7", or several numbers; all unless
        given. Then one of: from_ (another text, or its token ids), zero=True, mean=True, scale=X, noise=SEED with
        size=X.

        It counts for generate(), stream(), logits(), logprobs(), lens() and attention(); taps see the new values.

        Raises UsageError for a patch that is wrong or that the model cannot have; when the model is called, UsageError
        for one that does not go with the prompt, and Error for a precision that cannot be patched.
        """
        return _patch.Patches(self, patches, terms)

    def lens(self, text, *, top=5):
        """The logit lens: for each layer, the most likely next tokens if the model ended there.

        The residual stream after the embedding and after each layer goes through the final layernorm and the head, by the
        model's own precision, as the sink lens of gpt2run has it.

        Returns a Lens. Raises ValueError for a `top` below 1 or beyond the vocabulary, as logits() does, and Error for a
        precision that cannot.
        """
        return _lens.lens(self, text, index(top))

    def attention(self, text, layers=None):
        """What every head attends to: float32 (layers, H, T, T), as the sink attention of gpt2run has it.

        Element [l, h, i, j] is the weight that token i gives to token j, in head h of layers[l]; for j > i it is 0, and
        each row adds up to 1. layers: a number, or several; all unless given, which takes 4 L H T T bytes.

        Raises as logits() does, and Error for a layer that is not there and for a precision that cannot.
        """
        if layers is None:
            layers = range(self.config["layers"])
        layers = [index(layer) for layer in (layers if isinstance(layers, Iterable) else [layers])]
        return call(_gpt2run.attention, self._open, self._tokens(text), layers, *self._inside())

    def weight(self, name, layer=0):
        """A weight of the model's files, exactly: float32 (out, in), or (out) for a vector.

        name: wte, wpe, lnf_w, lnf_b, head_w, and in a layer ln1_w, ln1_b, qkv_w, qkv_b, proj_w, proj_b, ln2_w, ln2_b, up_w,
        up_b, down_w and down_b. Raises Error for another name, and for a layer that is not there.
        """
        return call(_gpt2run.weight, self._open, name, index(layer))


def _seed(seed):
    seed = index(seed)
    if not 0 <= seed < 2**64:
        raise UsageError(f"seed: expected a whole number in [0, 2**64), found {seed}")
    return seed


def _shown(value):
    """An option's value as a user types it."""
    if isinstance(value, (bool, np.bool_)):
        return "on" if value else "off"
    return str(value)
