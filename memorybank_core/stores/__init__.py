"""Stores of memories: SQLite files and PostgreSQL databases."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .sqlite.store import LocalStore

__all__ = ["LocalStore"]


def __getattr__(name: str) -> Any:
    """Import `LocalStore`, and FAISS with it, on first use."""
    if name != "LocalStore":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .sqlite.store import LocalStore

    globals()[name] = LocalStore
    return LocalStore
