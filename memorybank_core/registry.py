"""Which store, which embedder and which language model a place or a name asks for."""

from __future__ import annotations

from importlib.metadata import entry_points
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from typing import Any

from .embedders import embedder_named
from .errors import ConfigurationError, MissingDependencyError
from .locations import is_url, shown
from .protocols import LLM, Embedder, MemoryStore

LLMS = "memorybank.llms"
"""The group of entry points by which hosts of language models are found."""


def open_store(
    place: str | PathLike[str], embedder: str | Embedder | None, **options: Any
) -> tuple[MemoryStore, Embedder]:
    """The store at `place`, and the embedder to use with it.

    Raises:
        ConfigurationError: There is no such embedder, or none is installed.
        MissingDependencyError: The place is a database, and its driver is not installed.
        StoreError: It cannot be opened.
    """
    chosen = _choose(place, embedder)
    store: MemoryStore
    if is_url(place):
        kind = postgres_stores().PostgresStore
        store = kind(fspath(place), embedder=chosen.name, dimension=chosen.dimension, **options)
    else:
        from .stores.sqlite.store import (
            LocalStore,  # brings FAISS, which `import memorybank_core` must not
        )

        store = LocalStore(place, embedder=chosen.name, dimension=chosen.dimension, **options)
    return store, chosen


def written_by(place: str | PathLike[str]) -> tuple[str, int] | None:
    """Name and dimension of the embedder that wrote a bank; None where there is no bank.

    Raises:
        StoreError: The server of a database cannot be reached, or what is there is no bank.
    """
    if is_url(place):
        writer: tuple[str, int] | None = postgres_stores().stored_embedder(fspath(place))
        return writer
    from .stores import sqlite

    return sqlite.stored_embedder(fspath(place))


def is_there(place: str | PathLike[str]) -> bool:
    """Whether there is a bank, or for a path at least a file: to open it makes none.

    Raises:
        StoreError: As `written_by`.
    """
    return written_by(place) is not None if is_url(place) else Path(place).is_file()


def llm_named(name: str) -> LLM:
    """The language model that a name like "openai:gpt-4o-mini" stands for.

    What stands before the colon is an entry point of the group "memorybank.llms": a class or
    function that takes what stands behind it.

    Raises:
        ConfigurationError: There is no such host, or it cannot serve such a model.
    """
    host, _, model = name.partition(":")
    hosts = {entry.name: entry for entry in entry_points(group=LLMS)}
    if host not in hosts or not model:
        known = ", ".join(f"{one}:MODEL" for one in sorted(hosts)) or "none is installed"
        raise ConfigurationError(f"no language model {name!r}; there are: {known}")
    llm: LLM = hosts[host].load()(model)
    return llm


def _choose(place: str | PathLike[str], embedder: str | Embedder | None) -> Embedder:
    if embedder is not None:
        return embedder_named(embedder) if isinstance(embedder, str) else embedder
    writer = written_by(place)
    name = writer and writer[0]
    try:
        return embedder_named(name)
    except ConfigurationError as error:
        if name is None:
            raise
        raise ConfigurationError(
            f"{shown(place)} was written by the embedder {name!r}, which cannot be loaded by its "
            f"name ({error}). Pass embedder= with that embedder."
        ) from error


def postgres_stores() -> ModuleType:
    """The store of databases, which an extra brings."""
    try:
        from .stores import postgres
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "postgres") from error
    return postgres
