"""Events of memory operations for LlamaIndex's instrumentation."""

from __future__ import annotations

from collections.abc import Iterable

from llama_index.core.instrumentation.events import BaseEvent
from llama_index_instrumentation import get_dispatcher

_dispatcher = get_dispatcher(__name__)


class MemoryEvent(BaseEvent):
    """Base class of memory events, which handlers of LlamaIndex's root dispatcher receive.

    Attributes:
        user_id: User the memories belong to.
        ids: Ids of the memories.
    """

    user_id: str
    ids: tuple[str, ...]

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the event."""
        return cls.__name__


class MemoryRecalled(MemoryEvent):
    """Event sent when memories were recalled for a query; `ids` are in order of relevance.

    Attributes:
        query: The query.
    """

    query: str


class MemoryStored(MemoryEvent):
    """Event sent when memories were stored."""


class MemoryReinforced(MemoryEvent):
    """Event sent when memories were strengthened."""


class MemoryErased(MemoryEvent):
    """Event sent when memories were permanently deleted."""


class MemoryFailed(MemoryEvent):
    """Event sent when the memory fails and the chat continues.

    Attributes:
        action: What could not be done, such as "recall".
        kind: Name of the class of the error.
        error: Message of the error.
    """

    action: str
    kind: str
    error: str


def emit_recalled(user_id: str, query: str, ids: Iterable[str]) -> None:
    """Send a `MemoryRecalled` event to LlamaIndex's dispatcher."""
    _dispatcher.event(MemoryRecalled(user_id=user_id, query=query, ids=tuple(ids)))


def emit_stored(user_id: str, ids: Iterable[str]) -> None:
    """Send a `MemoryStored` event to LlamaIndex's dispatcher."""
    _dispatcher.event(MemoryStored(user_id=user_id, ids=tuple(ids)))


def emit_reinforced(user_id: str, ids: Iterable[str]) -> None:
    """Send a `MemoryReinforced` event to LlamaIndex's dispatcher."""
    _dispatcher.event(MemoryReinforced(user_id=user_id, ids=tuple(ids)))


def emit_erased(user_id: str, ids: Iterable[str]) -> None:
    """Send a `MemoryErased` event to LlamaIndex's dispatcher."""
    _dispatcher.event(MemoryErased(user_id=user_id, ids=tuple(ids)))


def emit_failed(user_id: str, action: str, error: Exception) -> None:
    """Send a `MemoryFailed` event to LlamaIndex's dispatcher."""
    kind = type(error).__name__
    _dispatcher.event(
        MemoryFailed(user_id=user_id, ids=(), action=action, kind=kind, error=str(error))
    )
