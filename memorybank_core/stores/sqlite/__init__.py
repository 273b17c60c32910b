"""Store backend for paths: a bank in one SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from memorybank_core.forked_processes import no_fork
from memorybank_core.protocols import MemoryStore

from .read_only import to_uri
from .reembed import reembed as reembed


def open_store(location: str, *, embedder: str, dimension: int, **options: Any) -> MemoryStore:
    """Open the file at `location`, or create it.

    Args:
        location: The path.
        embedder: Name of the embedder whose vectors the file holds.
        dimension: Length of its vectors.
        options: Further arguments of `LocalStore`.

    Raises:
        StoreError: If it cannot be opened; see `LocalStore`.
    """
    from .store import LocalStore  # loads FAISS

    return LocalStore(location, embedder=embedder, dimension=dimension, **options)


def stored_embedder(location: str) -> tuple[str, int] | None:
    """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

    Also returns None for a file that cannot be read; opening it raises the error.
    """
    path = Path(location)
    try:
        if not path.stat().st_size:
            return None
        path = path.absolute()
        uri = to_uri(path, readonly=True)
        with no_fork, closing(sqlite3.connect(uri, uri=True)) as db:
            meta = dict(db.execute("SELECT name, value FROM meta"))
        return meta["embedder"], int(meta["dimension"])
    except (OSError, ValueError, KeyError, sqlite3.Error):
        return None
