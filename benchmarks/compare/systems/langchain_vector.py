"""LangChain's `VectorStoreRetrieverMemory` over FAISS, a store for each user."""

import faiss
from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langchain_classic.memory import VectorStoreRetrieverMemory
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS

NAME = "LangChain vector memory"
PACKAGE = "langchain-classic"
ENVIRONMENT = "langchain"
SETTING = "`VectorStoreRetrieverMemory`; FAISS, a store for each user, saved when it is closed"
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._folder, self._embeddings, self._stores = folder, LangChainEmbeddings(embedder), {}
        self._dimension = embedder.dimension
        for path in folder.glob("*.faiss"):
            self._stores[path.stem] = FAISS.load_local(
                str(folder), self._embeddings, path.stem, allow_dangerous_deserialization=True
            )

    def _memory(self, user, k=4):
        if user not in self._stores:
            index = faiss.IndexFlatL2(self._dimension)
            self._stores[user] = FAISS(self._embeddings, index, InMemoryDocstore({}), {})
        retriever = self._stores[user].as_retriever(search_kwargs={"k": k})
        return VectorStoreRetrieverMemory(retriever=retriever, return_docs=True)

    def add(self, turns, user):
        memory = self._memory(user)
        for turn in turns:
            query = f"{turn.speaker}: {turn.query}" if turn.speaker else turn.query
            output = {"output": turn.response} if turn.response else {}
            memory.save_context({"input": query}, output)

    def search(self, query, user, k, now):
        memory = self._memory(user, k)
        documents = memory.load_memory_variables({"prompt": query})["history"]
        return [Hit(document.page_content) for document in documents]

    def delete(self, turns, user):
        """`clear` does nothing, so the documents are deleted from the vector store."""
        store = self._stores[user]
        texts = {turn.text.replace("\n", "") for turn in turns}
        found = {
            id: store.docstore.search(id).page_content for id in store.index_to_docstore_id.values()
        }
        plain = {id: t.replace("input: ", "").replace("output: ", "") for id, t in found.items()}
        store.delete([id for id, text in plain.items() if text.replace("\n", "") in texts])

    def close(self):
        for user, store in self._stores.items():
            store.save_local(str(self._folder), user)


def open(folder, embedder):
    return System(folder, embedder)
