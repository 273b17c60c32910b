"""Interface of a module that opens stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .models import Embedder
from .stores import MemoryStore


class StoreBackend(Protocol):
    """Functions of a module that opens one kind of store.

    An entry point of the group "memorybank.stores" refers to the module. Its name is the scheme of
    the URLs that the module opens, or "file" for paths.
    """

    def open_store(
        self, location: str, /, *, embedder: str, dimension: int, **options: Any
    ) -> MemoryStore:
        """Open the bank at `location`, or create it.

        Raises:
            EmbedderMismatchError: If another embedder wrote its vectors.
            StoreError: If it cannot be opened.
        """
        ...

    def stored_embedder(self, location: str, /) -> tuple[str, int] | None:
        """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

        Raises:
            StoreError: If a server cannot be reached, or what is stored there is not a bank.
        """
        ...

    def reembed(
        self,
        location: str,
        embedder: Embedder,
        progress: Callable[[int], None] | None,
        timeout: float,
        /,
    ) -> int:
        """Embed every memory of a bank with another embedder; return how many.

        Args:
            location: The path or URL.
            embedder: The new embedder.
            progress: Called with the number of memories just embedded.
            timeout: Seconds to wait for other writers or for a server.

        Raises:
            ConfigurationError: If there is no bank.
            EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
        """
        ...
