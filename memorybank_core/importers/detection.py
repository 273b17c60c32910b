"""Recognition of formats: by name, or by the contents of a source."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from memorybank_core.errors import ConfigurationError, FormatError
from memorybank_core.registry import IMPORTERS, load_plugin, plugin_names

from .conversations import ImportedTurn
from .databases import find_tables
from .omissions import Omissions
from .sources import Source

OURS = "memorybank"
"""Name of the format of the original MemoryBank's JSON, which `json_format` reads."""
_READERS = {
    "cogx": "cogx",
    "chatgpt": "chatgpt",
    "claude": "claude",
    "letta": "letta",
    "graphiti": "graphiti",
    "mem0": "mem0",
    "langchain": "langchain",
    "langgraph": "langgraph",
    "llamaindex": "llamaindex",
    "jsonl": "chat_log",
}
"""Modules of our own formats by name, in the order in which they are tried: plain logs last."""

_BANK = "seq", "strength", "last_recalled_at", "archived_at"
"""Columns of a table that every memory bank has."""
WITHOUT_USERS = frozenset({"chatgpt", "claude", "letta", "langchain", "llamaindex"})
"""Formats that never name a user."""


class ImportFormat(Protocol):
    """Functions of a module that reads one format.

    An entry point of the group "memorybank.importers" refers to the module; its name is that of
    the format.
    """

    def recognize(self, source: Source, /) -> bool:
        """Return whether the source has this format.

        It is called if no format is named, or if nothing could be read in this one.
        """
        ...

    def read(self, source: Source, omissions: Omissions, /) -> Iterator[ImportedTurn]:
        """Yield the turns of the source one by one, and count what is left out.

        It may be called twice: first up to a turn that names its user.

        Raises:
            FormatError: If the source cannot be read at all, or not any further.
        """
        ...


def format_names() -> list[str]:
    """Return the names of the formats that can be imported, sorted."""
    return sorted({*_READERS, *plugin_names(IMPORTERS)})


def load_format(name: str) -> ImportFormat:
    """Return the reader of a format.

    Raises:
        ConfigurationError: If the name is unknown, or `OURS`.
        MissingDependencyError: If a package that it needs is not installed.
    """
    if name == OURS:
        raise ConfigurationError(
            f"the format {OURS!r} is imported with memorybank_core.json_format.import_json"
        )
    if name in _READERS:
        return cast(ImportFormat, import_module(f"{__package__}.formats.{_READERS[name]}"))
    if name not in plugin_names(IMPORTERS):
        known = ", ".join(sorted([*format_names(), OURS]))
        raise ConfigurationError(f"unknown format {name!r}; known: {known}")
    return cast(ImportFormat, load_plugin(IMPORTERS, name))


def find_format(source: Source) -> str:
    """Return the name of the format that a source has, `OURS` included.

    Raises:
        FormatError: If it has none of them, or is a memory bank itself.
    """
    from .own_export import find_export  # loads the JSON format

    for name in [*(set(plugin_names(IMPORTERS)) - _READERS.keys()), *_READERS]:
        if load_format(name).recognize(source):
            return name
    if find_tables(source.database, *_BANK):
        raise FormatError(
            f"{source.location} is a memory bank: copy it with `memorybank move`, or import an "
            "export of it"
        )
    if find_export(source) is not None:
        return OURS
    raise FormatError(
        f"{source.location} has none of the formats that can be imported: "
        f"{', '.join([*format_names(), OURS])}. If it has one of them, name it with --from, or "
        "format="
    )


def detect_format(source: Source) -> str:
    """Return the name of the format that a source has.

    Raises:
        FormatError: If it has none of them, or is an export of a MemoryBank.
    """
    name = find_format(source)
    if name == OURS:
        raise FormatError(
            f"{source.location} is an export of a MemoryBank: import it with "
            "memorybank_core.json_format.import_json"
        )
    return name
