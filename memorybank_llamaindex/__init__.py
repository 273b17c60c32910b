"""MemoryBank for LlamaIndex: memory for chat engines, agents and query engines.

Each name is imported on first use, so that only the packages it needs must be installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memorybank_core import MissingDependencyError

if TYPE_CHECKING:
    from .block import MemoryBankBlock, memory_with_bank
    from .bridges import MemoryBankEmbedding, as_embedder, as_llm, as_reranker
    from .memory import MemoryBankMemory
    from .retriever import MemoryBankRetriever
    from .tools import MemoryBankToolSpec

__all__ = [
    "MemoryBankBlock",
    "MemoryBankEmbedding",
    "MemoryBankMemory",
    "MemoryBankRetriever",
    "MemoryBankToolSpec",
    "as_embedder",
    "as_llm",
    "as_reranker",
    "memory_with_bank",
]

_MODULES = {
    "MemoryBankBlock": "block",
    "MemoryBankEmbedding": "bridges",
    "MemoryBankMemory": "memory",
    "MemoryBankRetriever": "retriever",
    "MemoryBankToolSpec": "tools",
    "as_embedder": "bridges",
    "as_llm": "bridges",
    "as_reranker": "bridges",
    "memory_with_bank": "block",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_MODULES[name]}", __name__)
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "llamaindex") from error
    return getattr(module, name)
