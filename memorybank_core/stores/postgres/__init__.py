"""Store backend for postgresql:// URLs: a bank in a PostgreSQL database."""

from __future__ import annotations

import warnings
from typing import Any

from memorybank_core.errors import MissingDependencyError
from memorybank_core.protocols import MemoryStore

try:
    import psycopg  # noqa: F401
    import psycopg_pool  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingDependencyError.of(str(error.name), "postgres") from error

from .administration import count_to_upgrade, init, stored_embedder, upgrade
from .reembed import reembed
from .store import PostgresStore
from .tables import PARTITIONS, Layout

__all__ = [
    "PARTITIONS",
    "Layout",
    "PostgresStore",
    "count_to_upgrade",
    "init",
    "open_store",
    "reembed",
    "stored_embedder",
    "upgrade",
    "written_by",
]


def open_store(location: str, *, embedder: str, dimension: int, **options: Any) -> MemoryStore:
    """Open the bank at the URL `location`, or create its tables.

    Args:
        location: The URL.
        embedder: Name of the embedder whose vectors the bank holds.
        dimension: Length of its vectors.
        options: Further arguments of `PostgresStore`.

    Raises:
        StoreError: If it cannot be opened; see `PostgresStore`.
    """
    return PostgresStore(location, embedder=embedder, dimension=dimension, **options)


def written_by(url: str) -> tuple[str, int] | None:
    """Return `stored_embedder(url)`. Deprecated."""
    warnings.warn("use stored_embedder instead of written_by", DeprecationWarning, stacklevel=2)
    return stored_embedder(url)
