"""The command `memorybank`, which manages banks in a terminal. It needs the extra `cli`.

Every command prints text for people or, with --json, exactly one JSON document for programs. An
error is printed as one line on stderr; the exit status is then 1, 2 if the command line is invalid,
or 130 after Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec

from memorybank_core.errors import MissingDependencyError

from .streams import INTERRUPTED

__all__ = ["exit_on_interrupt", "main", "require_extra"]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command `memorybank`.

    Args:
        args: Command-line arguments; None for those of the process.
    """
    require_extra()
    with exit_on_interrupt():
        from .app import app

        app(args)


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """Exit with status 130 and one line on stderr after Ctrl-C, also while modules are imported."""
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped\n")
        sys.exit(INTERRUPTED)


def require_extra() -> None:
    """Exit with status 1 and one line on stderr if the extra `cli` is not installed."""
    for package in ("typer", "rich"):
        if find_spec(package) is None:
            sys.exit(f"error: {MissingDependencyError.of(package, 'cli')}")
