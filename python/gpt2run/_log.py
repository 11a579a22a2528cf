"""The way of gpt2run's messages to the module logging."""

import logging

from . import _gpt2run

_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)

logger = logging.getLogger("gpt2run")
logger.addHandler(logging.NullHandler())


def call(function, *arguments):
    """Calls a function of the extension module, and then passes on what was logged meanwhile."""
    try:
        return function(*arguments)
    finally:
        for level, text in _gpt2run.take_log():
            logger.log(_LEVELS[level], "%s", text)
