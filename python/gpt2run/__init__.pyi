import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__version__: str

Text = str | bytes
Ids = Sequence[int] | NDArray[np.integer[Any]]
Prompt = Text | Ids
Logits = NDArray[np.float32]
SamplerFunction = Callable[[Logits, NDArray[np.int32], np.random.Generator], Any]
Sampler = str | SamplerFunction
LogitsProcessor = Callable[[Any, Any], Any]
Path = str | os.PathLike[str]

class Error(RuntimeError): ...
class UsageError(Error, ValueError): ...

class Completion:
    text: str
    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    finish_reason: str

class Perplexity(float):
    nll: float
    tokens: int
    standard_error: float
    batch_standard_error: float
    bits_per_byte: float | None

class Tokenizer:
    def __len__(self) -> int: ...
    @property
    def end_of_text(self) -> int | None: ...
    def encode(self, text: Text, *, special: bool = True) -> list[int]: ...
    def decode(self, ids: Ids, *, errors: str = "replace") -> str: ...
    def decode_bytes(self, ids: Ids) -> bytes: ...
    def piece(self, token: int) -> bytes: ...

class Taps(Mapping[str, NDArray[np.float32]]):
    def __enter__(self) -> Taps: ...
    def __exit__(self, *error: object) -> None: ...
    def __getitem__(self, name: str) -> NDArray[np.float32]: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def sequences(self, name: str) -> NDArray[np.int64]: ...
    def positions(self, name: str) -> NDArray[np.int32]: ...
    @property
    def hidden_states(self) -> list[NDArray[np.float32]]: ...

class Patches:
    def __enter__(self) -> Patches: ...
    def __exit__(self, *error: object) -> None: ...

class Lens:
    tokens: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    final: NDArray[np.int32]
    final_probability: NDArray[np.float32]
    final_rank: NDArray[np.int32]

class Stream(Iterator[str]):
    def __next__(self) -> str: ...
    def close(self) -> None: ...
    def __enter__(self) -> Stream: ...
    def __exit__(self, *error: object) -> None: ...

class Model:
    tokenizer: Tokenizer
    config: dict[str, Any]
    traits: dict[str, Any]
    path: str
    precision: str
    batch: int
    context: int
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Model: ...
    def __exit__(self, *error: object) -> None: ...
    def generate(
        self,
        prompt: Prompt | Sequence[Prompt] | None = None,
        *,
        max_new_tokens: int = 64,
        sampler: Sampler | Sequence[Sampler] | None = None,
        logits_processor: LogitsProcessor | Sequence[LogitsProcessor] | None = None,
        seed: int | None = 42,
        samples: int = 1,
        stop: str | Sequence[str] | None = None,
        ignore_eos: bool = False,
        context_shift: int = 0,
        details: bool = False,
        **options: Any,
    ) -> Any: ...
    def stream(
        self,
        prompt: Prompt | None = None,
        *,
        max_new_tokens: int = 64,
        sampler: Sampler | Sequence[Sampler] | None = None,
        logits_processor: LogitsProcessor | Sequence[LogitsProcessor] | None = None,
        seed: int | None = 42,
        stop: str | Sequence[str] | None = None,
        ignore_eos: bool = False,
        context_shift: int = 0,
        **options: Any,
    ) -> Stream: ...
    def logits(self, text: Prompt) -> NDArray[np.float32]: ...
    def logprobs(self, text: Prompt) -> NDArray[np.float32]: ...
    def perplexity(
        self,
        text: Prompt | Sequence[Prompt],
        protocol: Literal["original", "hf-stride", "llama", "document"] = "hf-stride",
        *,
        max_length: int = 0,
        stride: int = 0,
    ) -> Perplexity: ...
    def tap(self, ops: str | Sequence[str] = (), layers: Sequence[int] = ()) -> Taps: ...
    def patch(
        self,
        *patches: str,
        op: str | Sequence[str] = ...,
        layer: int | str | Sequence[int] = ...,
        positions: int | str | Sequence[int | str] = ...,
        heads: int | str | Sequence[int] = ...,
        from_: str | Ids = ...,
        from_tokens: Ids = ...,
        zero: bool = ...,
        mean: bool = ...,
        scale: float = ...,
        noise: int = ...,
        size: float = ...,
    ) -> Patches: ...
    def lens(self, text: Prompt, *, top: int = 5) -> Lens: ...
    def attention(self, text: Prompt, layers: int | Sequence[int] | None = None) -> NDArray[np.float32]: ...
    def weight(self, name: str, layer: int = 0) -> NDArray[np.float32]: ...

class Comparison(dict[str, NDArray[Any]]):
    reference: str
    names: list[str]
    def summary(self) -> dict[str, NDArray[Any]]: ...
    def to_pandas(self) -> Any: ...

def load(
    model: Path | None = None,
    *,
    precision: str | None = None,
    loader: str | None = None,
    tokenizer: Path | None = None,
    threads: int = 0,
    device: int = 0,
    batch: int = 1,
    context: int = 0,
) -> Model: ...
def compare(
    reference: Model | str,
    tests: Model | str | Sequence[Model | str],
    text: Prompt | Sequence[Prompt],
    *,
    model: Path | None = None,
    window: int = 0,
    limit: int = 0,
    top_k: int = 10,
) -> Comparison: ...
def plugins() -> list[dict[str, Any]]: ...
def add_plugin_folder(path: Path) -> None: ...
