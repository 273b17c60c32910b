"""What happens to a memory, as events of LlamaIndex's instrumentation."""

from __future__ import annotations

from collections.abc import Iterable

from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation import get_dispatcher

_dispatcher = get_dispatcher(__name__)


class MemoryEvent(BaseEvent):
    """Something happened to memories; a handler at LlamaIndex's root dispatcher hears of it.

    Attributes:
        user_id: Whose memories.
        ids: Which.
    """

    user_id: str
    ids: tuple[str, ...]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return cls.__name__


class MemoryRecalled(MemoryEvent):
    """Memories were found, best first, and shown.

    Attributes:
        query: What was asked.
    """

    query: str


class MemoryStored(MemoryEvent):
    """Memories were stored."""


class MemoryReinforced(MemoryEvent):
    """Memories grew stronger."""


class MemoryErased(MemoryEvent):
    """Memories were erased for good."""


def recalled(user_id: str, query: str, ids: Iterable[str]) -> None:
    """Tells that these memories were found for a query."""
    _dispatcher.event(MemoryRecalled(user_id=user_id, query=query, ids=tuple(ids)))


def stored(user_id: str, ids: Iterable[str]) -> None:
    """Tells that these memories were stored."""
    _dispatcher.event(MemoryStored(user_id=user_id, ids=tuple(ids)))


def reinforced(user_id: str, ids: Iterable[str]) -> None:
    """Tells that these memories grew stronger."""
    _dispatcher.event(MemoryReinforced(user_id=user_id, ids=tuple(ids)))


def erased(user_id: str, ids: Iterable[str]) -> None:
    """Tells that these memories were erased for good."""
    _dispatcher.event(MemoryErased(user_id=user_id, ids=tuple(ids)))
