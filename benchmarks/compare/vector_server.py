"""Computes the vectors that the cache lacks, for the processes of every environment.

Runs in MemoryBank's environment, which has the models: `python -m compare.vector_server FOLDER`.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import numpy as np

from memorybank_core.embedders import embedder_named
from memorybank_core.protocols import Embedder

from .embedding import KEY, read_or_compute


def open_file(folder: Path, model: str) -> sqlite3.Connection:
    """Open the file of a model's vectors, and create it if it is missing."""
    file = sqlite3.connect(folder / f"{model}.db", timeout=120)
    file.execute("PRAGMA journal_mode = WAL")  # workers read while this process writes
    file.execute(
        "CREATE TABLE IF NOT EXISTS v(kind, text, vector, PRIMARY KEY(kind, text)) WITHOUT ROWID"
    )
    return file


class VectorServer:
    """Answers requests (model, kind, texts, use_cache), one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._models: dict[str, Embedder] = {}
        self._files: dict[str, sqlite3.Connection] = {}

    def serve(self, address: str) -> None:
        """Answer until the process ends."""
        with Listener(address, "AF_UNIX", backlog=64, authkey=KEY) as listener:
            while True:
                with contextlib.suppress(EOFError, OSError), listener.accept() as connection:
                    self._answer(connection)

    def _answer(self, connection: Connection) -> None:
        model, kind, texts, use_cache = connection.recv()
        if not use_cache:
            connection.send(self._compute(model, kind, texts))
            return
        if model not in self._files:
            self._files[model] = open_file(self._folder, model)
        connection.send(
            read_or_compute(
                self._files[model], kind, texts, lambda some: self._compute(model, kind, some)
            )
        )

    def _compute(self, model: str, kind: str, texts: list[str]) -> np.ndarray:
        if model not in self._models:
            self._models[model] = embedder_named(model)
        embedder = self._models[model]
        if kind == "d":
            vectors = [
                embedder.embed_documents(texts[i : i + 16]) for i in range(0, len(texts), 16)
            ]
            return np.concatenate(vectors).astype(np.float32)
        return np.array([embedder.embed_query(text) for text in texts], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("address")
    options = parser.parse_args()
    VectorServer(options.folder).serve(options.address)


if __name__ == "__main__":
    main()
