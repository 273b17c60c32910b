"""LangGraph's `SqliteStore` with an index (sqlite-vec)."""

from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langgraph.store.sqlite import SqliteStore

NAME = "LangGraph SqliteStore"
PACKAGE = "langgraph-checkpoint-sqlite"
ENVIRONMENT = "langgraph"
SETTING = '`put` and `search` with `index={"fields": ["text"]}`, a namespace for each user'
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        index = {
            "dims": embedder.dimension,
            "embed": LangChainEmbeddings(embedder),
            "fields": ["text"],
        }
        path = str(folder / "store.db")
        self._context = SqliteStore.from_conn_string(path, index=index)
        self._store = self._context.__enter__()
        self._store.setup()

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
        self._context.__exit__(None, None, None)


def open(folder, embedder):
    return System(folder, embedder)
