"""MemoryBank for LangChain: memory for chains, agents and graphs.

Each name is imported on first use, so that only the packages it needs must be installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memorybank_core import MissingDependencyError

if TYPE_CHECKING:
    from .bridges import MemoryBankEmbeddings, as_embedder, as_llm, as_reranker
    from .chat_model import as_chat_model
    from .history import MemoryBankChatMessageHistory
    from .memory import MemoryBankMemory
    from .middleware import MemoryBankMiddleware
    from .retriever import MemoryBankRetriever
    from .runnable import recalled, with_memory
    from .store import MemoryBankStore
    from .tools import memory_tools

__all__ = [
    "MemoryBankChatMessageHistory",
    "MemoryBankEmbeddings",
    "MemoryBankMemory",
    "MemoryBankMiddleware",
    "MemoryBankRetriever",
    "MemoryBankStore",
    "as_chat_model",
    "as_embedder",
    "as_llm",
    "as_reranker",
    "memory_tools",
    "recalled",
    "with_memory",
]

_MODULES = {
    "MemoryBankChatMessageHistory": "history",
    "MemoryBankEmbeddings": "bridges",
    "MemoryBankMemory": "memory",
    "MemoryBankMiddleware": "middleware",
    "MemoryBankRetriever": "retriever",
    "MemoryBankStore": "store",
    "as_chat_model": "chat_model",
    "as_embedder": "bridges",
    "as_llm": "bridges",
    "as_reranker": "bridges",
    "memory_tools": "tools",
    "recalled": "runnable",
    "with_memory": "runnable",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = import_module(f".{_MODULES[name]}", __name__)
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "langchain") from error
    return getattr(module, name)
