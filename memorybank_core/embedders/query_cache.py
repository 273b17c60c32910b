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
from memorybank_core.forked_processes import call_in_child
from memorybank_core.protocols import Embedder, Vector

MAX_ENTRIES = 1000
"""Maximum number of vectors."""
MAX_BYTES = 4 * 2**20
"""Maximum size of all vectors together."""
MAX_AGE = 3600.0
"""Seconds after its last use from which on a query of any text removes a vector."""


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
        call_in_child(self._drop_pending)

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
        new: Future[Vector] = Future()
        try:
            future = self._find_or_insert(key, new, embedder)
            if future is new:
                new.set_result(self._make(text, embedder))
        except BaseException as error:  # also Ctrl-C at any line: others wait for `new`
            self._fail(key, new, error)
            raise
        return future.result()

    def clear(self) -> None:
        """Remove every vector."""
        with self._lock:
            self._entries.clear()

    def _drop_pending(self) -> None:
        """In a forked child: remove the queries that threads of the parent are embedding."""
        self._lock = threading.Lock()  # one of them may hold the old one
        for key, (_, future) in list(self._entries.items()):
            if not future.done():
                del self._entries[key]

    def _find_or_insert(
        self, key: bytes, new: Future[Vector], embedder: Embedder
    ) -> Future[Vector]:
        with self._lock:
            if embedder is not self._embedder:
                self._entries.clear()
                self._embedder = embedder
            now = self._clock()
            self._remove_older_than(now - MAX_AGE)
            _, future = self._entries.get(key, (now, new))
            self._entries[key] = (now, future)
            self._entries.move_to_end(key)
        return future

    def _make(self, text: str, embedder: Embedder) -> Vector:
        """Return the vector of a query; remove the least recently used to keep the limits."""
        vector: Vector = self._embed(text, embedder).copy()  # an embedder may use its array again
        vector.setflags(write=False)
        with self._lock:
            limit = min(MAX_ENTRIES, MAX_BYTES // vector.nbytes)
            while len(self._entries) > limit:
                self._entries.popitem(last=False)
        return vector

    def _fail(self, key: bytes, new: Future[Vector], error: BaseException) -> None:
        """Remove an entry; raise `error` in the threads that wait for it."""
        with self._lock:
            if self._entries.get(key, (0.0, None))[1] is new:
                del self._entries[key]
        if not isinstance(error, Exception):  # an interrupt is for this thread only
            message = "another thread was interrupted while it embedded this query; call again"
            error = EmbedderError(message)
        if not new.done():
            new.set_exception(error)

    def _remove_older_than(self, time: float) -> None:
        """Remove the vectors last used before `time`; the entries are in the order of use."""
        while self._entries and next(iter(self._entries.values()))[0] < time:
            self._entries.popitem(last=False)
