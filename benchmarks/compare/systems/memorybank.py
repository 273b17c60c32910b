"""MemoryBank: one SQLite file."""

import numpy as np

from memorybank_core import MemoryBank, Turn

NAME = "MemoryBank"
PACKAGE = "memorybank-llm"
ENVIRONMENT = None  # the environment that runs the comparison
SETTING = "`add`, `search`, `context`; all defaults"
CHOOSES_EMBEDDER = True


class _Vectors:
    """The embedder of the comparison, with arrays for lists."""

    def __init__(self, embedder):
        self.name, self.dimension, self._embedder = embedder.name, embedder.dimension, embedder

    def embed_documents(self, texts):
        return np.array(self._embedder.embed_documents(texts), np.float32)

    def embed_query(self, text):
        return np.array(self._embedder.embed_query(text), np.float32)


class System:
    def __init__(self, folder, embedder):
        self._bank = MemoryBank.open(folder / "bank.db", embedder=_Vectors(embedder))

    def add(self, turns, user):
        self._bank.add([_to_turn(turn) for turn in turns], user_id=user)

    def search(self, query, user, k, now):
        from compare.protocol import Hit

        found = self._bank.search(query, user_id=user, k=k, now=now, kind="turn")
        return [Hit(r.memory.text, r.memory.id, r.relevance) for r in found]

    def prompt(self, query, user, max_tokens, now):
        context = self._bank.context(query, user_id=user, max_tokens=max_tokens, now=now)
        return [result.memory.id for result in context.results]

    def delete(self, turns, user):
        self._bank.delete(user_id=user, ids=[turn.id for turn in turns])

    def close(self):
        self._bank.close()


def _to_turn(turn):
    speaker = {"user_name": turn.speaker} if turn.speaker else {}
    return Turn(
        turn.query,
        turn.response,
        at=turn.at,
        id=turn.id,
        session=turn.session or None,
        **speaker,
    )


def open(folder, embedder):
    return System(folder, embedder)
