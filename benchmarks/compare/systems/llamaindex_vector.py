"""LlamaIndex's `Memory` with a `VectorMemoryBlock` over Qdrant in a folder."""

import asyncio

from compare.protocol import Hit
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import Memory, VectorMemoryBlock
from llama_index.core.prompts import RichPromptTemplate
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient

NAME = "LlamaIndex vector block"
PACKAGE = "llama-index-core"
ENVIRONMENT = "llamaindex"
SETTING = "`VectorMemoryBlock`, Qdrant in a folder; the block of a `Memory` gets each turn at once"
CHOOSES_EMBEDDER = True
_MARK = "\x1e"  # between texts in what the block returns, which is one string


class _Vectors(BaseEmbedding):
    _embedder: object = None

    def _get_text_embedding(self, text):
        return self._embedder.embed_documents([text])[0]

    def _get_query_embedding(self, query):
        return self._embedder.embed_query(query)

    async def _aget_query_embedding(self, query):
        return self._get_query_embedding(query)


class System:
    def __init__(self, folder, embedder):
        self._loop = asyncio.new_event_loop()
        self._client = AsyncQdrantClient(path=str(folder / "qdrant"))
        self._model, self._memories = _Vectors(), {}
        self._model._embedder = embedder

    def _memory(self, user):
        if user not in self._memories:
            store = QdrantVectorStore(collection_name=f"user-{user}", aclient=self._client)
            block = VectorMemoryBlock(
                vector_store=store,
                embed_model=self._model,
                format_template=RichPromptTemplate("{{ text }}"),
            )
            memory = Memory.from_defaults(session_id=user, memory_blocks=[block], token_limit=30000)
            self._memories[user] = memory
        return self._memories[user]

    def add(self, turns, user):
        for turn in turns:
            query = f"{turn.speaker}: {turn.query}" if turn.speaker else turn.query
            messages = [ChatMessage(role="user", content=query)]
            if turn.response:
                messages.append(ChatMessage(role="assistant", content=turn.response))
            block = self._memory(user).memory_blocks[0]
            self._loop.run_until_complete(block.aput(messages, session_id=user))

    def search(self, query, user, k, now):
        block = self._memory(user).memory_blocks[0]
        block.similarity_top_k = k
        message = ChatMessage(role="user", content=query)
        text = self._loop.run_until_complete(block.aget([message], session_id=user))
        parts = text.replace("<message role='user'>", _MARK + "<message role='user'>").split(_MARK)
        return [Hit(part.strip()) for part in parts if part.strip()]

    def delete(self, turns, user):
        raise NotImplementedError

    def close(self):
        self._loop.run_until_complete(self._client.close())


def open(folder, embedder):
    return System(folder, embedder)
