"""The option --verbose: the log of the package and the time of a command, on stderr."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

OPTION = "--verbose"
_PACKAGES = ("memorybank_core", "memorybank_langchain", "memorybank_llamaindex", "llms")

logger = logging.getLogger(__name__)


def take_option(args: Sequence[str]) -> tuple[list[str], bool]:
    """Return arguments without --verbose, which may stand anywhere before "--"; and if it did."""
    end = list(args).index("--") if "--" in args else len(args)
    options = [arg for arg in args[:end] if arg != OPTION]
    return [*options, *args[end:]], len(options) < end


@contextmanager
def verbose_log() -> Iterator[None]:
    """Print the log of our packages on stderr, and at the end how long the block took."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    loggers = [logging.getLogger(name) for name in _PACKAGES]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.setLevel(logging.DEBUG)
    start = time.monotonic()
    try:
        yield
    finally:
        logger.debug("done in %.2f s", time.monotonic() - start)
        for each, level in zip(loggers, levels, strict=True):
            each.removeHandler(handler)
            each.setLevel(level)
