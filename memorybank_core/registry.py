"""Registry: stores, embedders, rerankers, language models, laws of forgetting and formats.

Each of them is an entry point. Any package can add one by declaring it in its own metadata:

| group | name | object |
| --- | --- | --- |
| memorybank.stores | the scheme of its URLs, or "file" for paths | a `StoreBackend`: a module |
| memorybank.embedders | the name, up to a colon | a function that returns an `Embedder` |
| memorybank.rerankers | the name, up to a colon | a function that returns a `Reranker` |
| memorybank.llms | the name, up to a colon | a function that returns an `LLM` |
| memorybank.laws | the name | a function that returns a `ForgettingLaw` |
| memorybank.importers | the name | an `ImportFormat`: a module |

The text after a colon is passed to the function: "openai:gpt-4o-mini" calls the function of the
entry point "openai" with "gpt-4o-mini".
"""

from __future__ import annotations

import inspect
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from .errors import ConfigurationError, MissingDependencyError
from .forgetting import ForgettingLaw
from .locations import is_url, scheme_of
from .protocols import LLM, Embedder, MemoryStore, StoreBackend

STORES, EMBEDDERS = "memorybank.stores", "memorybank.embedders"
RERANKERS = "memorybank.rerankers"
LLMS, LAWS = "memorybank.llms", "memorybank.laws"
IMPORTERS = "memorybank.importers"
_NOUNS = {
    STORES: "store",
    EMBEDDERS: "embedder",
    RERANKERS: "reranker",
    LLMS: "language model",
    LAWS: "law",
    IMPORTERS: "import format",
}


def plugin_names(group: str) -> list[str]:
    """Return the names of a group's entry points, sorted."""
    return sorted(_scan(group))


def load_plugin(group: str, name: str) -> Any:
    """Return the object of an entry point.

    Raises:
        ConfigurationError: If the group has no such name.
        MissingDependencyError: If a package that the object needs is not installed.
    """
    plugin = _own_plugins(group).get(name) or _scan(group).get(name)
    if plugin is None:
        known = ", ".join(plugin_names(group)) or "none; install memorybank again"
        raise ConfigurationError(f"unknown {_NOUNS[group]} {name!r}; known: {known}")
    try:
        return plugin.load()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"the {_NOUNS[group]} {name!r} ({plugin.value}) needs {error.name}, which is not "
            f"installed. Run: pip install {error.name}"
        ) from error


def call_plugin(group: str, name: str) -> Any:
    """Call the function of an entry point, with the text after the colon of `name` if there is one.

    Raises:
        ConfigurationError: If the group has no such name, or the argument after the colon is
            missing or superfluous.
        MissingDependencyError: If a package that the object needs is not installed.
    """
    plugin, _, argument = name.partition(":")
    function = load_plugin(group, plugin)
    arguments = (argument,) if argument else ()
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        fault = f"takes no argument: write {plugin!r}"
        if not argument:
            fault = f"needs an argument after a colon: write '{plugin}:…'"
        raise ConfigurationError(f"the {_NOUNS[group]} {name!r} {fault}") from None
    return function(*arguments)


def load_llm(name: str) -> LLM:
    """Return the language model of a name such as "openai:gpt-4o-mini".

    Raises:
        ConfigurationError: If the name is unknown, or the model cannot be used.
    """
    llm: LLM = call_plugin(LLMS, name)
    return llm


def load_law(name: str) -> ForgettingLaw:
    """Return the law of forgetting of this name, with its default parameters.

    Raises:
        ConfigurationError: If the name is unknown.
    """
    law: ForgettingLaw = load_plugin(LAWS, name)()
    return law


def find_backend(location: str | PathLike[str]) -> StoreBackend:
    """Return the store backend of a path or URL.

    Raises:
        ConfigurationError: If no store has the scheme of the URL.
        MissingDependencyError: If the driver of the database is not installed.
    """
    backend: StoreBackend = load_plugin(STORES, scheme_of(location))
    return backend


def open_store(location: str | PathLike[str], embedder: Embedder, **options: Any) -> MemoryStore:
    """Open the store at a path or URL, or create it.

    Raises:
        MissingDependencyError: If the driver of the database is not installed.
        EmbedderMismatchError: If another embedder wrote its vectors.
        StoreError: If it cannot be opened.
    """
    return find_backend(location).open_store(
        fspath(location), embedder=embedder.name, dimension=embedder.dimension, **options
    )


def stored_embedder(location: str | PathLike[str]) -> tuple[str, int] | None:
    """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

    Raises:
        StoreError: If a server cannot be reached, or the file or the tables are not a bank.
    """
    return find_backend(location).stored_embedder(fspath(location))


def bank_exists(location: str | PathLike[str]) -> bool:
    """Return whether there is a bank at a location; any file counts as a bank.

    Raises:
        StoreError: If a server cannot be reached, or its tables are not a bank.
    """
    if is_url(location):
        return stored_embedder(location) is not None
    return Path(location).is_file()


def _scan(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of all installed packages; ours take precedence."""
    return {plugin.name: plugin for plugin in entry_points(group=group)} | _own_plugins(group)


@cache
def _own_plugins(group: str) -> dict[str, EntryPoint]:
    """Return our entry points, without the time that a scan of all packages takes."""
    try:
        plugins = distribution("memorybank-llm").entry_points
    except PackageNotFoundError:
        return {}
    return {plugin.name: plugin for plugin in plugins if plugin.group == group}
