"""Protocols: the interfaces of embedders, rerankers, language models and stores."""

from .items import Item, ItemStore, Namespace
from .models import LLM, Array, Completion, Embedder, Matrix, Reranker, Vector
from .search import Candidates, Filter, Probe
from .stores import MemoryStore, StateChange, StoreBackend, Stored

__all__ = [
    "LLM",
    "Array",
    "Candidates",
    "Completion",
    "Embedder",
    "Filter",
    "Item",
    "ItemStore",
    "Matrix",
    "MemoryStore",
    "Namespace",
    "Probe",
    "Reranker",
    "StateChange",
    "StoreBackend",
    "Stored",
    "Vector",
]
