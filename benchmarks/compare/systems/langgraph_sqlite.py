"""LangGraph's `SqliteStore` with an index (sqlite-vec)."""

from compare.systems import langgraph_memory
from langgraph.store.sqlite import SqliteStore

NAME = "LangGraph SqliteStore"
PACKAGE = "langgraph-checkpoint-sqlite"
ENVIRONMENT = "langgraph"
SETTING = '`put` and `search` with `index={"fields": ["text"]}`, a namespace for each user'
CHOOSES_EMBEDDER = True


class System(langgraph_memory.System):
    def __init__(self, folder, embedder):
        path, index = str(folder / "store.db"), langgraph_memory.index_of(embedder)
        self._context = SqliteStore.from_conn_string(path, index=index)
        super().__init__(self._context.__enter__())
        self._store.setup()

    def close(self):
        self._context.__exit__(None, None, None)


def open(folder, embedder):
    return System(folder, embedder)
