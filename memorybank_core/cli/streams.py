"""The standard streams of a command: any encoding, a closed pipe, a full disk."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 and the number of SIGINT."""

_ERRORS = "memorybank.ascii"
_TWINS = str.maketrans(
    {
        **dict.fromkeys("─━╴╸╺", "-"),
        **dict.fromkeys("▏▎▍", " "),
        **dict.fromkeys("▌▋▊▉█", "#"),
        "→": "->",
        "…": "...",
        "·": ".",
    }
)
"""ASCII for the signs that our output is drawn with."""


def accept_any_text() -> None:
    """Let stdout and stderr print what their encoding lacks: our signs as ASCII, text escaped."""
    codecs.register_error(_ERRORS, _to_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def flush_output() -> None:
    """Write out what stdout holds.

    Raises:
        OSError: If that fails; the rest is discarded.
    """
    if sys.stdout is not None and not sys.stdout.closed:  # a server over stdout closes it
        sys.stdout.flush()


def discard_output() -> None:
    """Send what stdout still holds nowhere, so that the interpreter does not fail when it ends."""
    with suppress(OSError, ValueError, AttributeError):  # a test's stdout has no descriptor
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _to_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_TWINS)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end
