"""MemoryBank for LlamaIndex, under the name of an integration package: `memorybank_llamaindex`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import memorybank_llamaindex
from memorybank_llamaindex import __all__ as __all__

if TYPE_CHECKING:
    from memorybank_llamaindex import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(memorybank_llamaindex, name)


def __dir__() -> list[str]:
    return sorted(__all__)
