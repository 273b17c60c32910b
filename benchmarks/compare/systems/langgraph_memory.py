"""LangGraph's `InMemoryStore` with an index."""

from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langgraph.store.memory import InMemoryStore

NAME = "LangGraph InMemoryStore"
PACKAGE = "langgraph"
ENVIRONMENT = "langgraph"
SETTING = '`put` and `search` with `index={"fields": ["text"]}`, a namespace for each user'
CHOOSES_EMBEDDER = True


def index_of(embedder):
    embed = LangChainEmbeddings(embedder)
    return {"dims": embedder.dimension, "embed": embed, "fields": ["text"]}


class System:
    def __init__(self, store):
        self._store = store

    def add(self, turns, user):
        for turn in turns:
            value = {"text": turn.text, "at": turn.at.isoformat()}
            self._store.put(("memories", user), turn.id, value)

    def search(self, query, user, k, now):
        items = self._store.search(("memories", user), query=query, limit=k)
        return [Hit(item.value["text"], item.key, item.score) for item in items]

    def delete(self, turns, user):
        for turn in turns:
            self._store.delete(("memories", user), turn.id)

    def close(self):
        pass


def open(folder, embedder):
    return System(InMemoryStore(index=index_of(embedder)))
