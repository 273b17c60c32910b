"""The command `backup`, and `restore` with a backup."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich import filesize

from memorybank_core.cli import options
from memorybank_core.cli.group import UsageError
from memorybank_core.cli.outputs import confirm
from memorybank_core.output_files import is_same_file, sqlite_uri
from memorybank_core.terminal import console, plural, plural_memories, print_json


def backup(
    path: options.BankPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file for the copy.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE, such as an earlier backup.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Copy a bank to a file while others use it, and verify the copy.

    `memorybank restore FILE BANK` brings it back. Of a database: pg_dump, or `memorybank move`.
    """
    from memorybank_core.backup import back_up

    if os.path.lexists(file) and not force and not is_same_file(file, path):
        confirm(
            f"Replace {file}?",
            f"{file} exists already: pass --force to replace it, or name a new file",
        )
        force = True
    receipt = back_up(path, file, force=force)
    if as_json:
        print_json(receipt)
        return
    counts = f"{plural_memories(receipt.memories)} of {plural(receipt.users, 'user')}"
    size = filesize.decimal(receipt.file_bytes)
    console().print(f"backed up {counts} to {receipt.target} ({size}), verified", soft_wrap=True)


def restore_backup(file: str, arguments: Sequence[str], *, force: bool, as_json: bool) -> None:
    """Restore a backup: `memorybank restore FILE BANK`.

    Raises:
        UsageError: If the arguments are not those of a backup, but of memories without their user.
    """
    from memorybank_core.backup import restore

    if len(arguments) != 1 or _is_memory(file, arguments[0]):
        raise UsageError(
            "pass --user to restore memories: memorybank restore BANK ID... --user USER; "
            "or FILE and BANK to restore a backup"
        )
    receipt = restore(file, arguments[0], force=force)
    if as_json:
        print_json(receipt)
        return
    counts = f"{plural_memories(receipt.memories)} of {plural(receipt.users, 'user')}"
    out = console()
    out.print(f"restored {counts} to {receipt.target}, verified", soft_wrap=True)
    if receipt.replaced:
        out.print(f"the bank that was there is now {receipt.replaced}", soft_wrap=True)


def _is_memory(path: str, id: str) -> bool:
    """Return whether a bank has a memory with this id, of any user."""
    uri = sqlite_uri(Path(path).absolute(), "mode=rw")
    with suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as db:
        return bool(db.execute("SELECT 1 FROM memories WHERE id = ?", (id,)).fetchone())
    return False
