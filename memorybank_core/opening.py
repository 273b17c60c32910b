"""Which store and which embedder a path asks for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

from .embedders import embedder_named
from .errors import ConfigurationError
from .protocols import Embedder, MemoryStore


def open_store(
    path: str | PathLike[str], embedder: str | Embedder | None, **options: Any
) -> tuple[MemoryStore, Embedder]:
    """The store at `path`, and the embedder to use with it.

    Raises:
        ConfigurationError: There is no such embedder, or none is installed.
        StoreError: The file cannot be opened.
    """
    from .stores.local import LocalStore  # brings FAISS, which `import memorybank_core` must not

    chosen = _choose(Path(path), embedder)
    store = LocalStore(path, embedder=chosen.name, dimension=chosen.dimension, **options)
    return store, chosen


def _choose(path: Path, embedder: str | Embedder | None) -> Embedder:
    if embedder is not None:
        return embedder_named(embedder) if isinstance(embedder, str) else embedder
    name = _writer_of(path)
    try:
        return embedder_named(name)
    except ConfigurationError as error:
        if name is None:
            raise
        raise ConfigurationError(
            f"{path} was written by the embedder {name!r}, which cannot be loaded by its name "
            f"({error}). Pass embedder= with that embedder."
        ) from error


def _writer_of(path: Path) -> str | None:
    """The name of the embedder that wrote a bank; None for a new file, or one that is no bank."""
    try:
        if not path.stat().st_size:
            return None
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as db:
            found = db.execute("SELECT value FROM meta WHERE name = 'embedder'").fetchone()
    except (OSError, ValueError, sqlite3.Error):
        return None  # the store will say what is wrong with the file
    return str(found[0]) if found else None
