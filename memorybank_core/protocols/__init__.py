"""Protocols: the interfaces of embedders, rerankers, language models and stores."""

from .backends import StoreBackend
from .items import Item, ItemStore, Namespace
from .models import LLM, Array, Completion, Embedder, Matrix, Reranker, Vector
from .search import Candidates, Filter, Probe
from .settings import SettingStore
from .stores import MemoryStore, StateChange, Stored

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
    "SettingStore",
    "StateChange",
    "StoreBackend",
    "Stored",
    "Vector",
]
