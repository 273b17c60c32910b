"""Reembed a bank: compute the vectors of all its memories again, with another embedder."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike, fspath

from memorybank_core.embedders import embedder_named
from memorybank_core.protocols import Embedder
from memorybank_core.registry import find_backend


def reembed(
    path: str | PathLike[str],
    embedder: str | Embedder,
    *,
    progress: Callable[[int], None] | None = None,
    busy_timeout: float = 30.0,
) -> int:
    """Embed every memory of the bank at `path` with `embedder`; return how many.

    Stores that are open in the meantime continue with the old vectors. Once the new vectors are
    in place, their next search or write raises EmbedderMismatchError: open them again. After a
    crash, call this again: it continues with the memories that are not embedded yet. The vectors
    of items are dropped; the next search of the items embeds them.

    Args:
        path: The file, or the URL of a database.
        embedder: A name or an embedder.
        progress: Called with the number of memories just embedded.
        busy_timeout: Seconds to wait for another process's write, or for the server.

    Raises:
        ConfigurationError: If there is no such bank or embedder.
        EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
    """
    if isinstance(embedder, str):
        embedder = embedder_named(embedder)
    return find_backend(path).reembed(fspath(path), embedder, progress, busy_timeout)
