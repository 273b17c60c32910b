"""For tests: fakes whose output can be computed by eye, and the contract of every store."""

from .contract import StoreContract
from .fakes import FakeLLM, WordLengthEmbedder

__all__ = ["FakeLLM", "StoreContract", "WordLengthEmbedder"]
