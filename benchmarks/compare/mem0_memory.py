"""mem0's `Memory`, for its two vector stores."""

# ruff: noqa: D101, D102 -- compare/protocol.py documents them

import os

os.environ.setdefault("OPENAI_API_KEY", "unused: infer=False asks no model")

from mem0 import Memory

from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit


class Mem0:
    def __init__(self, folder, embedder, provider, store):
        self._embeddings = LangChainEmbeddings(embedder)
        dimension = {"embedding_model_dims": embedder.dimension, "collection_name": "mem0"}
        self._memory = Memory.from_config(
            {
                "embedder": {"provider": "langchain", "config": {"model": self._embeddings}},
                "vector_store": {"provider": provider, "config": {**store, **dimension}},
                "history_db_path": str(folder / "history.db"),
            }
        )

    def add(self, turns, user):
        # Its LangChain provider embeds texts as queries too; e5 distinguishes them.
        with self._embeddings.storing():
            for turn in turns:
                metadata = {"turn": turn.id, "at": turn.at.isoformat()}
                self._memory.add(turn.text, user_id=user, metadata=metadata, infer=False)

    def search(self, query, user, k, now):
        # `threshold` cuts results off by default; the k best are wanted here.
        found = self._memory.search(query, filters={"user_id": user}, top_k=k, threshold=0.0)
        return [Hit(m["memory"], m["metadata"]["turn"], m["score"]) for m in found["results"]]

    def delete(self, turns, user):
        ids = {turn.id for turn in turns}
        for memory in self._memory.get_all(filters={"user_id": user}, top_k=100_000)["results"]:
            if memory["metadata"]["turn"] in ids:
                self._memory.delete(memory["id"])

    def close(self):
        self._memory.close()
