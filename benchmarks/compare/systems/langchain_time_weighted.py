"""LangChain's `TimeWeightedVectorStoreRetriever` over FAISS, a retriever for each user."""

import faiss
from compare.langchain_embeddings import LangChainEmbeddings
from compare.protocol import Hit
from langchain_classic.retrievers import TimeWeightedVectorStoreRetriever
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.utils import mock_now

NAME = "LangChain time-weighted"
PACKAGE = "langchain-classic"
ENVIRONMENT = "langchain"
SETTING = (
    "`TimeWeightedVectorStoreRetriever`, FAISS, `decay_rate=1e-25`, its docs' value for long memory"
)
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._embeddings, self._dimension = LangChainEmbeddings(embedder), embedder.dimension
        self._retrievers = {}  # its stream of documents has no way to be saved

    def _retriever(self, user):
        if user not in self._retrievers:
            store = FAISS(
                self._embeddings,
                faiss.IndexFlatL2(self._dimension),
                InMemoryDocstore({}),
                {},
            )
            self._retrievers[user] = TimeWeightedVectorStoreRetriever(
                vectorstore=store, decay_rate=1e-25
            )
        return self._retrievers[user]

    def add(self, turns, user):
        retriever = self._retriever(user)
        for turn in turns:
            document = Document(turn.text, metadata={"id": turn.id})
            retriever.add_documents([document], current_time=_naive(turn.at))

    def search(self, query, user, k, now):
        retriever = self._retriever(user)
        retriever.k = k
        times = [document.metadata["last_accessed_at"] for document in retriever.memory_stream]
        with mock_now(_naive(now)):
            documents = retriever.invoke(query)
        # Questions must not change what the next question finds.
        for document, time in zip(retriever.memory_stream, times, strict=True):
            document.metadata["last_accessed_at"] = time
        return [Hit(document.page_content, document.metadata["id"]) for document in documents]

    def delete(self, turns, user):
        raise NotImplementedError

    def close(self):
        pass


def _naive(time):
    """Its times have no zone."""
    return time.replace(tzinfo=None)


def open(folder, embedder):
    return System(folder, embedder)
