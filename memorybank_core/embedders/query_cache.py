"""QueryCache: the vectors of the last queries, so that a text is embedded once a turn."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from memorybank_core.errors import EmbedderError
from memorybank_core.protocols import Embedder, Vector

MAX_ENTRIES = 1000
"""Maximum number of vectors."""
MAX_BYTES = 4 * 2**20
"""Maximum size of all vectors together."""
MAX_AGE = 3600.0
"""Seconds after its last use at which the next query removes a vector."""


class QueryCache:
    """The vectors of an embedder's last queries, in memory only; threads may share it.

    A key is a salted hash of the text, so that no text is kept. Queries of the same text at the
    same time are embedded once.

    Args:
        embed: Embeds one query with an embedder.
        clock: Returns the current time in seconds.
    """

    def __init__(
        self,
        embed: Callable[[str, Embedder], Vector],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._embed, self._clock = embed, clock
        self._embedder: Embedder | None = None
        self._salt = secrets.token_bytes(16)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[float, Future[Vector]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def embed(self, text: str, embedder: Embedder) -> Vector:
        """Return the vector of a query, float32 (d,), read-only.

        With another embedder than the last call's, the vectors kept so far are removed.

        Raises:
            EmbedderError: If the embedder failed or returned a vector that cannot be used. Nothing
                is kept then.
        """
        data = text.encode("utf-8", "surrogatepass")
        key = hashlib.blake2b(data, digest_size=16, key=self._salt).digest()
        with self._lock:
            if embedder is not self._embedder:
                self._entries.clear()
                self._embedder = embedder
            now = self._clock()
            self._remove_older_than(now - MAX_AGE)
            _, vector = self._entries.get(key, (now, None))
            is_new = vector is None
            vector = vector or Future()
            self._entries[key] = (now, vector)
            self._entries.move_to_end(key)
        if is_new:
            self._fill(key, vector, text, embedder)
        return vector.result()

    def clear(self) -> None:
        """Remove every vector."""
        with self._lock:
            self._entries.clear()

    def _fill(self, key: bytes, future: Future[Vector], text: str, embedder: Embedder) -> None:
        try:
            vector = self._embed(text, embedder).copy()  # an embedder may use its array again
        except BaseException as error:
            with self._lock:
                if self._entries.get(key, (0.0, None))[1] is future:
                    del self._entries[key]
            is_error = isinstance(error, Exception)  # an interrupt is for this thread only
            future.set_exception(error if is_error else EmbedderError("embedding was interrupted"))
            raise
        vector.setflags(write=False)
        with self._lock:
            limit = min(MAX_ENTRIES, MAX_BYTES // vector.nbytes)
            while len(self._entries) > limit:
                self._entries.popitem(last=False)
        future.set_result(vector)

    def _remove_older_than(self, time: float) -> None:
        """Remove the vectors last used before `time`; the entries are in the order of use."""
        while self._entries and next(iter(self._entries.values()))[0] < time:
            self._entries.popitem(last=False)
