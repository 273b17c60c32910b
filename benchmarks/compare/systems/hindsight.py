"""Hindsight without a language model, on the PostgreSQL that its package brings (pg0)."""

import asyncio
import os

from compare import pg0_server
from compare.openai_endpoint import EmbeddingEndpoint
from compare.protocol import Hit

NAME = "Hindsight"
PACKAGE = "hindsight-api-slim"
ENVIRONMENT = "hindsight"
SETTING = (
    "no model; reranker `rrf`; without graph (it needs entities) and weight of age, which did harm"
)
CHOOSES_EMBEDDER = True


class System:
    def __init__(self, folder, embedder):
        self._folder, self._endpoint = folder, EmbeddingEndpoint(embedder)
        self._loop = asyncio.new_event_loop()
        settings = {
            "DATABASE_URL": pg0_server.start(folder),
            "LLM_PROVIDER": "none",
            "RERANKER_PROVIDER": "rrf",
            "RECENCY_DECAY_FUNCTION": "none",
            "ENABLE_GRAPH_RETRIEVAL": "false",
            "EMBEDDINGS_PROVIDER": "openai",
            "EMBEDDINGS_OPENAI_BASE_URL": self._endpoint.url,
            "EMBEDDINGS_OPENAI_API_KEY": "none",
            "EMBEDDINGS_OPENAI_MODEL": embedder.name,
            "EMBEDDINGS_OPENAI_DIMENSIONS": str(embedder.dimension),
        }
        os.environ |= {f"HINDSIGHT_API_{name}": value for name, value in settings.items()}
        from hindsight_api import MemoryEngine
        from hindsight_api.models import RequestContext

        self._engine, self._context = MemoryEngine(), {"request_context": RequestContext()}
        self._run(self._engine.initialize())

    def _run(self, call):
        return self._loop.run_until_complete(call)

    def add(self, turns, user):
        rows = [{"content": t.text, "event_date": t.at, "document_id": t.id} for t in turns]
        self._run(self._engine.retain_batch_async(user, rows, **self._context))

    def search(self, query, user, k, now):
        options = {"max_tokens": 200 * k, "question_date": now, **self._context}
        with self._endpoint.asking():
            found = self._run(self._engine.recall_async(user, query, **options)).results
        return [Hit(fact.text, fact.document_id) for fact in found][:k]

    def delete(self, turns, user):
        for turn in turns:
            self._run(self._engine.delete_document(turn.id, user, **self._context))

    def close(self):
        self._run(self._engine.close())
        self._endpoint.close()
        pg0_server.stop(self._folder)


def open(folder, embedder):
    return System(folder, embedder)
