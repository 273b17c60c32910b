"""The options --verbose and --log-format: the log of the package on stderr, as text or JSON lines.

They may stand anywhere on a command line before "--".
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from memorybank_core.logs import ROOT, JsonFormatter, get_logger

VERBOSE, LOG_FORMAT = "--verbose", "--log-format"
FORMATS = ("text", "json")

_logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Options of the printed log.

    Attributes:
        verbose: Whether all of it is printed, and the duration of the command.
        format: "text" or "json"; None prints no log, unless `verbose`.
    """

    verbose: bool = False
    format: str | None = None


def take_options(args: Sequence[str]) -> tuple[list[str], LogOptions]:
    """Return arguments without the options of the log, and these options.

    Raises:
        typer.BadParameter: If the format is missing or unknown.
    """
    end = list(args).index("--") if "--" in args else len(args)
    words, verbose, format = list[str](), False, None
    options = iter(args[:end])
    for word in options:
        name, _, value = word.partition("=")
        if word == VERBOSE:
            verbose = True
        elif name == LOG_FORMAT:
            format = value or next(options, "")
            if format not in FORMATS:
                raise typer.BadParameter(f"{LOG_FORMAT} must be {' or '.join(FORMATS)}")
        else:
            words.append(word)
    return [*words, *args[end:]], LogOptions(verbose, format)


@contextmanager
def printed_log(options: LogOptions) -> Iterator[None]:
    """Print the log on stderr, and with `verbose` at the end how long the block took."""
    if options == LogOptions():
        yield
        return
    handler = logging.StreamHandler(sys.stderr)
    is_json = options.format == "json"
    handler.setFormatter(JsonFormatter() if is_json else logging.Formatter("%(name)s: %(message)s"))
    root = logging.getLogger(ROOT)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if options.verbose else logging.INFO)
    start = time.monotonic()
    try:
        yield
    finally:
        _logger.debug("done in %.2f s", time.monotonic() - start)
        root.removeHandler(handler)
        root.setLevel(level)
