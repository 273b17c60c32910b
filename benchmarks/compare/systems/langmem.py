"""LangMem's store tools, called as an agent calls them, over LangGraph's `InMemoryStore`."""

import json

from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langgraph.store.memory import InMemoryStore
from langmem import create_manage_memory_tool, create_search_memory_tool

NAME = "LangMem tools"
PACKAGE = "langmem"
ENVIRONMENT = "langmem"
SETTING = "`manage_memory` and `search_memory` with its README's `InMemoryStore`"
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        index = {"dims": embedder.dimension, "embed": LangChainEmbeddings(embedder)}
        self._store, self._ids = InMemoryStore(index={**index, "fields": ["content"]}), {}

    def add(self, turns, user):
        tool = create_manage_memory_tool(("memories", user), store=self._store)
        for turn in turns:
            answer = tool.invoke({"content": turn.text, "action": "create"})
            self._ids[answer.rpartition(" ")[2]] = turn.id

    def search(self, query, user, k, now):
        tool = create_search_memory_tool(("memories", user), store=self._store)
        items = json.loads(tool.invoke({"query": query, "limit": k}))
        return [
            Hit(item["value"]["content"], self._ids.get(item["key"]), item.get("score"))
            for item in items
        ]

    def delete(self, turns, user):
        tool = create_manage_memory_tool(("memories", user), store=self._store)
        ids = {turn.id for turn in turns}
        for own in [own for own, id in self._ids.items() if id in ids]:
            tool.invoke({"id": own, "action": "delete"})

    def close(self):
        pass


def open(folder, embedder):
    return System(folder, embedder)
