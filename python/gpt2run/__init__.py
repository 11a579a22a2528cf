"""gpt2run: runs GPT-2 models in several number types, and shows what each of them does.

    import gpt2run
    model = gpt2run.load("models/demo", precision="bf16")
    print(model.generate("The old king", max_new_tokens=20, seed=7))

Everything computes on the engine of the program of the same name, with the same plugins, and gives the same tokens.

Errors are exceptions: `gpt2run.Error`, a RuntimeError with one line that says what happened, where, what was expected
and what was found, and `gpt2run.UsageError`, which is also a ValueError, for options. Messages go to the logger
"gpt2run" of the module logging, which shows nothing unless you set it up. Nothing is printed, and no signal handlers are
installed.
"""

import atexit
import os
import pathlib

from . import _gpt2run
from ._gpt2run import Error, UsageError
from ._compare import Comparison, compare
from ._lens import Lens
from ._log import call
from ._model import Completion, Model, Perplexity, Stream, Tokenizer, load
from ._patch import Patches
from ._taps import Taps

__version__ = _gpt2run.version
__all__ = [
    "Comparison",
    "Completion",
    "Error",
    "Lens",
    "Model",
    "Patches",
    "Perplexity",
    "Stream",
    "Taps",
    "Tokenizer",
    "UsageError",
    "add_plugin_folder",
    "compare",
    "load",
    "plugins",
]

# Plugins and the demo model are beside the extension module.
_gpt2run.set_up(str(pathlib.Path(_gpt2run.__file__).resolve().parent))
# Before the interpreter goes, threads that compute are ended between two steps.
atexit.register(_gpt2run.shut_down)
os.register_at_fork(after_in_child=_gpt2run.forget_threads)


def plugins():
    """The plugins that are installed, sorted by kind and name.

    Returns a list of dicts with the texts kind ("loader", "precision", "sampler" or "sink"), name, space ("host" or
    "cuda"), file, version and summary; selects: whether a sampler chooses the token; runs: whether it can run here, and
    reason: why it cannot, or what was found; options: a list of dicts with the texts name, type, default, range and
    help. refusal: why the file could not be opened, or ""; then the rest is empty.
    """
    return call(_gpt2run.plugins)


def add_plugin_folder(path):
    """Searches a folder for plugins, before those that were added earlier and before the package's own.

    A plugin is native code with your rights. The folder and its files must belong to you or to root, and nobody else may
    write to them. Models that are open keep the plugins that they have. Raises Error unless it is a folder.
    """
    call(_gpt2run.add_plugin_folder, os.path.abspath(os.fspath(path)))
