"""memory-middleware's staging store; its slicing and its weights need a language model."""

import asyncio

from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langchain_core.documents import Document
from memory_middleware import FragmentsMemoryRAG, SQLiteVecStore

NAME = "memory-middleware"
PACKAGE = "memory-middleware"
ENVIRONMENT = "memory-middleware"
SETTING = "its staging store: `FragmentsMemoryRAG`, `SQLiteVecStore`; a fragment for each turn"
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._loop = asyncio.new_event_loop()
        embeddings = LangChainEmbeddings(embedder)
        self._store = SQLiteVecStore(str(folder / "fragments.db"), embeddings)
        self._rag = FragmentsMemoryRAG(vector_store=self._store)

    def add(self, turns, user):
        documents = [
            Document(
                turn.text,
                id=f"{user}/{turn.id}",
                metadata={
                    "user_id": user,
                    "id": turn.id,
                    "time": turn.at.timestamp(),
                    "type": ["episode"],
                    "strengthen_num": 0,
                },
            )
            for turn in turns
        ]
        self._loop.run_until_complete(self._rag.add(documents))

    def search(self, query, user, k, now):
        found = self._loop.run_until_complete(self._rag.query_context_distance(query, None, user))
        return [Hit(d.page_content, d.metadata["id"], cosine) for d, cosine in found[:k]]

    def delete(self, turns, user):
        ids = [f"{user}/{turn.id}" for turn in turns]
        self._loop.run_until_complete(self._store.adelete(ids))

    def close(self):
        self._store.close()


def open(folder, embedder):
    return System(folder, embedder)
