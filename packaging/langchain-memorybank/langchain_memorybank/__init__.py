"""MemoryBank for LangChain, under the name of an integration package: `memorybank_langchain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import memorybank_langchain
from memorybank_langchain import __all__ as __all__

if TYPE_CHECKING:
    from memorybank_langchain import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(memorybank_langchain, name)


def __dir__() -> list[str]:
    return sorted(__all__)
