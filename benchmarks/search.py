"""Compare a warm search, without the embedding of the query, with bare FAISS and other libraries.

python benchmarks/search.py [sizes…]    needs langchain-core and llama-index-core
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import faiss
import numpy as np
from common import FreeEmbedder, describe_machine, make_questions, make_turns, median_ms

from memorybank_core import MemoryBank

K = 10


def measure_memorybank(size: int, query_texts: list[str], folder: Path) -> tuple[float, np.ndarray]:
    """Return the median of MemoryBank in milliseconds, and the vectors for the other libraries."""
    embedder = FreeEmbedder()
    dialogue = make_turns(size)
    with MemoryBank.open(folder / f"{size}.db", embedder=embedder) as bank:
        for start in range(0, size, 5000):
            bank.add(dialogue[start : start + 5000], user_id="u")
        last = dialogue[-1].at
        median = median_ms(
            [lambda q=q: bank.search(q, user_id="u", k=K, now=last) for q in query_texts]
        )
        embedding = median_ms([lambda q=q: embedder.embed_query(q) for q in query_texts])
        vectors = embedder.embed_documents([turn.text for turn in dialogue])
    return median - embedding, vectors


def measure_faiss(vectors: np.ndarray, queries: np.ndarray) -> float:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return median_ms([lambda q=q: index.search(q[None, :], K) for q in queries])


def measure_langchain(vectors: np.ndarray, queries: np.ndarray) -> float:
    from langchain_core.embeddings import FakeEmbeddings
    from langchain_core.vectorstores import InMemoryVectorStore

    store = InMemoryVectorStore(FakeEmbeddings(size=1))
    store.store = {
        str(i): {"id": str(i), "vector": vector, "text": f"text {i}", "metadata": {}}
        for i, vector in enumerate(vectors.tolist())
    }
    sample = queries[: 50 if len(vectors) <= 10_000 else 5].tolist()
    return median_ms([lambda q=q: store.similarity_search_by_vector(q, k=K) for q in sample])


def measure_llamaindex(vectors: np.ndarray, queries: np.ndarray) -> float:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import SimpleVectorStore, VectorStoreQuery

    store = SimpleVectorStore()
    store.add([TextNode(id_=str(i), text="", embedding=v) for i, v in enumerate(vectors.tolist())])
    sample = queries[: 50 if len(vectors) <= 10_000 else 5].tolist()
    vector_queries = [VectorStoreQuery(query_embedding=q, similarity_top_k=K) for q in sample]
    return median_ms([lambda q=q: store.query(q) for q in vector_queries])


def main(sizes: list[int]) -> None:
    print(describe_machine())
    query_texts = make_questions(200)
    queries = np.stack([FreeEmbedder().embed_query(q) for q in query_texts])
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            median, vectors = measure_memorybank(size, query_texts, Path(folder))
            row = {
                "memories": size,
                "memorybank_ms": round(median, 3),
                "bare_faiss_ms": round(measure_faiss(vectors, queries), 3),
                "langchain_ms": round(measure_langchain(vectors, queries), 3),
                "llamaindex_ms": round(measure_llamaindex(vectors, queries), 3),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000, 100_000])
