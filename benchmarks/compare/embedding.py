"""Embedders of the comparison: vectors from a cache or a server, and words hashed to vectors.

Every system gets the same vectors, so that only what it does with them differs. A process of
MemoryBank's environment computes them once (`vector_server`) and keeps them by text; the
environments of the others need no model.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np

DIMENSION = 384
KEY = b"vectors"
"""Authentication key of the local socket."""


class TimedEmbedder:
    """Embedder that counts its texts and measures its time, for the tables of costs."""

    name = ""
    dimension = DIMENSION

    def __init__(self) -> None:
        self.texts = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text."""
        return self._embed("d", list(texts))

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a question."""
        return self._embed("q", [text])[0]

    def _embed(self, kind: str, texts: list[str]) -> list[list[float]]:
        with self._lock:
            start = time.perf_counter()
            vectors = self._vectors(kind, texts).tolist() if texts else []
            self.texts += len(texts)
            self.seconds += time.perf_counter() - start
        return vectors

    def _vectors(self, kind: str, texts: list[str]) -> np.ndarray:
        raise NotImplementedError


class HashedWords(TimedEmbedder):
    """Sum of a random vector for each word: texts with the same words are alike. Costs little."""

    name = "hashed-words"

    def __init__(self) -> None:
        super().__init__()
        rows = np.random.default_rng(0).normal(size=(8192, DIMENSION))
        self._rows = rows.astype(np.float32)

    def _vectors(self, kind: str, texts: list[str]) -> np.ndarray:
        sums = np.array([self._rows[self._words(text)].sum(axis=0) for text in texts])
        return sums / np.linalg.norm(sums, axis=1, keepdims=True)

    @staticmethod
    def _words(text: str) -> list[int]:
        return [zlib.crc32(word.encode()) % 8192 for word in re.findall(r"\w+", text.lower())] or [
            0
        ]


class CachedVectors(TimedEmbedder):
    """The vectors of a model, from a file; the server computes those that the file lacks.

    Args:
        name: Name of the model.
        path: The file of the vectors.
        address: The server's socket; None if every text is in the file.
        use_cache: False to have each text computed, for the tables of costs.
    """

    def __init__(
        self, name: str, path: Path, address: str | None, *, use_cache: bool = True
    ) -> None:
        super().__init__()
        self.name = name
        self._file = sqlite3.connect(path, timeout=120, check_same_thread=False)
        self._address, self._use_cache = address, use_cache
        self._vectors_of: dict[tuple[str, str], np.ndarray] = {}

    def _vectors(self, kind: str, texts: list[str]) -> np.ndarray:
        if not self._use_cache:
            return self._ask(kind, texts)
        missing = [text for text in dict.fromkeys(texts) if not self._is_known(kind, text)]
        for start in range(0, len(missing), 64):
            part = missing[start : start + 64]
            for text, vector in zip(part, self._ask(kind, part), strict=True):
                self._vectors_of[kind, text] = vector
        return np.array([self._vectors_of[kind, text] for text in texts])

    def _is_known(self, kind: str, text: str) -> bool:
        if (kind, text) not in self._vectors_of:
            find = "SELECT vector FROM v WHERE kind = ? AND text = ?"
            rows = self._file.execute(find, (kind, text)).fetchall()  # all: ends the statement
            if not rows:
                return False
            self._vectors_of[kind, text] = np.frombuffer(rows[0][0], np.float32)
        return True

    def _ask(self, kind: str, texts: list[str]) -> np.ndarray:
        if self._address is None:
            raise LookupError(f"no vector of {texts[0][:60]!r} in the file, and no server")
        with Client(self._address, "AF_UNIX", authkey=KEY) as server:
            server.send((self.name, kind, texts, self._use_cache))
            return server.recv()


def read_or_compute(
    file: sqlite3.Connection,
    kind: str,
    texts: list[str],
    compute: Callable[[list[str]], np.ndarray],
) -> np.ndarray:
    """Return the vectors of `texts`, storing those that the file lacked."""
    find = "SELECT vector FROM v WHERE kind = ? AND text = ?"
    rows = [file.execute(find, (kind, text)).fetchone() for text in texts]
    missing = [text for text, row in zip(texts, rows, strict=True) if row is None]
    new = dict(zip(missing, compute(missing), strict=True)) if missing else {}
    with file:
        file.executemany(
            "INSERT OR REPLACE INTO v VALUES (?, ?, ?)",
            [(kind, text, vector.tobytes()) for text, vector in new.items()],
        )
    return np.array(
        [
            np.frombuffer(row[0], np.float32) if row else new[text]
            for text, row in zip(texts, rows, strict=True)
        ]
    )
