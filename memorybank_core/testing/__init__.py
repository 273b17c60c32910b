"""Tools for tests: fakes with output that can be computed by eye, and the contract of stores."""

from .contract import StoreContract
from .fakes import FakeLLM, WordLengthEmbedder

__all__ = ["FakeLLM", "StoreContract", "WordLengthEmbedder"]
