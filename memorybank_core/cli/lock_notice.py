"""Notice on stderr that another process holds the lock of the bank, with the seconds left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from memorybank_core.concurrency import reported_waits

_TEXT = "the bank is locked by another process: waiting, at most {seconds:.0f} s more"
_CLEAR_LINE = "\r\x1b[K"


@contextmanager
def lock_notice() -> Iterator[None]:
    """Print a notice while the block waits for a lock: a count-down on a terminal, else once."""
    shown = False

    def show(left: float) -> None:
        nonlocal shown
        text = _TEXT.format(seconds=left)
        with suppress(OSError):
            if _is_terminal():
                _write(f"{_CLEAR_LINE}{text}")
            elif not shown:
                _write(f"{text}\n")
        shown = True

    try:
        with reported_waits(show):
            yield
    finally:
        if shown and _is_terminal():
            with suppress(OSError):
                _write(_CLEAR_LINE)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _write(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
