"""Which store, which embedder and which language model a path or a name asks for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path
from typing import Any

from .embedders import embedder_named
from .errors import ConfigurationError
from .protocols import LLM, Embedder, MemoryStore

LLMS = "memorybank.llms"
"""The group of entry points by which hosts of language models are found."""


def open_store(
    path: str | PathLike[str], embedder: str | Embedder | None, **options: Any
) -> tuple[MemoryStore, Embedder]:
    """The store at `path`, and the embedder to use with it.

    Raises:
        ConfigurationError: There is no such embedder, or none is installed.
        StoreError: The file cannot be opened.
    """
    from .stores.local import LocalStore  # brings FAISS, which `import memorybank_core` must not

    chosen = _choose(Path(path), embedder)
    store = LocalStore(path, embedder=chosen.name, dimension=chosen.dimension, **options)
    return store, chosen


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


def _choose(path: Path, embedder: str | Embedder | None) -> Embedder:
    if embedder is not None:
        return embedder_named(embedder) if isinstance(embedder, str) else embedder
    name = _writer_of(path)
    try:
        return embedder_named(name)
    except ConfigurationError as error:
        if name is None:
            raise
        raise ConfigurationError(
            f"{path} was written by the embedder {name!r}, which cannot be loaded by its name "
            f"({error}). Pass embedder= with that embedder."
        ) from error


def _writer_of(path: Path) -> str | None:
    """The name of the embedder that wrote a bank; None for a new file, or one that is no bank."""
    try:
        if not path.stat().st_size:
            return None
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as db:
            found = db.execute("SELECT value FROM meta WHERE name = 'embedder'").fetchone()
    except (OSError, ValueError, sqlite3.Error):
        return None  # the store will say what is wrong with the file
    return str(found[0]) if found else None
