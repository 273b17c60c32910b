"""Tools for tests: fakes with output that is easy to compute, and the contract of stores."""

from .contract import StoreContract
from .fakes import FakeLLM, WordLengthEmbedder, WordOverlapReranker

__all__ = ["FakeLLM", "StoreContract", "WordLengthEmbedder", "WordOverlapReranker"]
