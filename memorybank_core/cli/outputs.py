"""Output files of the commands: never over a bank, and over foreign files only on request."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import typer

from memorybank_core.output_files import require_output
from memorybank_core.terminal import clean

from .group import UsageError


def require_writable(
    path: Path,
    *,
    is_ours: Callable[[Path], bool],
    force: bool,
    source: str | None = None,
    option: str = "--force",
) -> None:
    """Check before a command starts that it may write a file; ask on a terminal, if necessary.

    Args:
        path: The output file.
        is_ours: Whether an existing file is an earlier output of the command.
        force: Overwrite any file except a database.
        source: The bank that the command reads.
        option: The option that sets `force`.

    Raises:
        StoreWriteError: If the file is a bank, another database, or not a regular file.
        UsageError: If the file exists, is not ours, and there is no terminal to ask.
        typer.Abort: If the user refuses.
    """
    target = require_output(path, source=source)
    if force or not target.exists() or is_ours(target):
        return
    confirm(
        f"{path} was not written by this command. Overwrite it?",
        f"{path} exists already and was not written by this command: pass {option} to overwrite "
        "it, or choose another name",
    )


def confirm(question: str, otherwise: str) -> None:
    """Ask a question on the terminal.

    Raises:
        UsageError: With the message `otherwise`, if there is no terminal.
        typer.Abort: If the user refuses.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(otherwise)
    typer.confirm(clean(question), abort=True, err=True)
