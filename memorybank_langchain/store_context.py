"""Open a bank for LangGraph's store, from a connection string and LangGraph's index options."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

from langchain_core.embeddings import Embeddings
from langgraph.store.base import IndexConfig, TTLConfig, ensure_embeddings

from memorybank_core import ConfigurationError, Embedder, MemoryBank
from memorybank_core.registry import EMBEDDERS, plugin_names

from .bridges import as_embedder

_INDEX_KEYS = ("dims", "embed", "fields", "text_fields", "distance_type")
"""The keys of LangGraph's index options; `SqliteStore` reads "text_fields" instead of "fields"."""

_DISTANCES = (None, "cosine", "inner_product")  # equal, because all vectors have unit length


class _Store(Protocol):
    """The calls of a store that is opened."""

    bank: MemoryBank
    index_config: IndexConfig

    def __init__(
        self, bank: MemoryBank, *, index_fields: Sequence[str], ttl: TTLConfig | None
    ) -> None: ...

    def stop_ttl_sweeper(self, timeout: float | None = None) -> bool: ...


S = TypeVar("S", bound=_Store)


class StoreContext(AbstractContextManager[S, None], AbstractAsyncContextManager[S, None]):
    """Opens a bank with its store at the beginning of a `with` block, and closes it at the end.

    `async with` opens and closes in a thread.

    Args:
        store_class: The class of the store.
        location: Path or URL of the bank.
        index: LangGraph's index options.
        ttl: LangGraph's options of times to live.
        options: Other options of `MemoryBank.open`.
    """

    def __init__(
        self,
        store_class: type[S],
        location: str,
        index: Mapping[str, Any] | None,
        ttl: TTLConfig | None,
        options: Mapping[str, Any],
    ) -> None:
        self._class, self._location, self._ttl = store_class, location, ttl
        self._index, self._options = dict(index or {}), dict(options)
        self._store: S | None = None

    def __enter__(self) -> S:
        index, options = self._index, self._options
        fields = require_index(index)
        if index.get("embed") is not None:
            options = {**options, "embedder": resolve_embed(index["embed"])}
        bank = MemoryBank.open(self._location, **options)
        try:
            _require_dimension(index.get("dims"), bank.embedder)
            self._store = self._class(bank, index_fields=fields, ttl=self._ttl)
            self._store.index_config.update(cast("IndexConfig", index))
        except BaseException:
            bank.close()
            raise
        return self._store

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._store is not None:
            self._store.stop_ttl_sweeper()
            self._store.bank.close()
            self._store = None

    async def __aenter__(self) -> S:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)


def require_index(index: Mapping[str, Any]) -> list[str]:
    """Return the fields to index.

    Raises:
        ConfigurationError: If an option is unknown or not supported.
    """
    unknown = sorted(index.keys() - set(_INDEX_KEYS))
    if unknown:
        raise ConfigurationError(
            f"unknown options of index: {', '.join(unknown)}; known: {', '.join(_INDEX_KEYS)}"
        )
    if index.get("distance_type") not in _DISTANCES:
        raise ConfigurationError(
            f"distance_type must be 'cosine' or 'inner_product', not {index['distance_type']!r}"
        )
    fields = index.get("fields") or index.get("text_fields") or ["$"]
    return [fields] if isinstance(fields, str) else fields


def resolve_embed(embed: Any) -> str | Embedder:
    """Return an embedder or its name, from what LangGraph's index options have as "embed".

    A name is one of ours if an entry point has it, otherwise one of LangChain's `init_embeddings`.
    """
    if isinstance(embed, str) and embed.partition(":")[0] in plugin_names(EMBEDDERS):
        return embed
    if isinstance(embed, (str, Embeddings)):
        return as_embedder(ensure_embeddings(embed))
    if isinstance(embed, Embedder):
        return embed
    if not callable(embed):
        raise ConfigurationError(f"embed must be embeddings, a function or a name, not {embed!r}")
    name = f"function:{getattr(embed, '__qualname__', type(embed).__qualname__)}"
    if inspect.iscoroutinefunction(embed):
        function = embed
        embed = lambda texts: asyncio.run(function(texts))  # noqa: E731
    return as_embedder(ensure_embeddings(embed), name=name)


def _require_dimension(dims: int | None, embedder: Embedder) -> None:
    if dims is not None and dims != embedder.dimension:
        raise ConfigurationError(
            f"dims is {dims}, but vectors of {embedder.name!r} have {embedder.dimension} numbers"
        )
