"""Engraphis: `MemoryService` on one SQLite file, a workspace for each user."""

import engraphis.factory
import numpy as np
from compare.protocol import Hit
from engraphis.service import MemoryService

NAME = "Engraphis"
PACKAGE = "engraphis"
ENVIRONMENT = "engraphis"
SETTING = "`remember(..., valid_from=)`, `recall`, `secure_erase`; graph by its regular expressions"
CHOOSES_EMBEDDER = True
MAX_K = 50  # of `recall`


class _Vectors:
    """Its `Embedder` interface, which does not tell questions from documents."""

    supports_semantic_search = True
    embedding_mode = "semantic"
    embedding_identity = "comparison"

    def __init__(self, embedder):
        self.dim, self.embedding_version = embedder.dimension, embedder.name
        self._embedder, self.is_asking = embedder, False

    def embed(self, texts, *, kind="text"):
        embed = self._embedder.embed_query
        if not self.is_asking:
            return np.array(self._embedder.embed_documents(list(texts)), np.float32)
        return np.array([embed(text) for text in texts], np.float32)


class System:
    def __init__(self, folder, embedder):
        self._vectors = _Vectors(embedder)
        engraphis.factory.get_embedder = lambda *args, **options: self._vectors
        self._service = MemoryService.create(str(folder / "engraphis.db"), vector_backend="auto")
        self._file = folder / "ids.txt"  # our ids: its results do not return metadata
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._ids = dict(line.split("\t") for line in lines)

    def add(self, turns, user):
        with self._file.open("a") as file:
            for turn in turns:
                stored = self._service.remember(
                    turn.text, workspace=user, mtype="episodic", valid_from=turn.at.timestamp()
                )
                self._ids[stored["id"]] = turn.id
                file.write(f"{stored['id']}\t{turn.id}\n")

    def search(self, query, user, k, now):
        self._vectors.is_asking = True
        try:
            found = self._service.recall(
                query, workspace=user, k=min(k, MAX_K), valid_at=now.timestamp()
            )
        finally:
            self._vectors.is_asking = False
        return [
            Hit(memory["content"], self._ids.get(memory["id"]), memory["absolute_support"])
            for memory in found["memories"]
        ]

    def delete(self, turns, user):
        ids = {turn.id for turn in turns}
        for own, id in self._ids.items():
            if id in ids:
                self._service.secure_erase(own, workspace=user, confirmed=True)

    def close(self):
        self._service.close()


def open(folder, embedder):
    return System(folder, embedder)
