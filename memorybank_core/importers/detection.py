"""Recognition of formats: by name, or by the contents of a source."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

from memorybank_core.errors import ConfigurationError, FormatError
from memorybank_core.registry import IMPORTERS, load_plugin, plugin_names

from .conversations import ImportedTurn
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


class ImportFormat(Protocol):
    """Functions of a module that reads one format.

    An entry point of the group "memorybank.importers" refers to the module; its name is that of
    the format.
    """

    def recognize(self, source: Source, /) -> bool:
        """Return whether the source has this format. It is called only if no format is named."""
        ...

    def read(self, source: Source, omissions: Omissions, /) -> Iterator[ImportedTurn]:
        """Yield the turns of the source one by one, and count what is left out.

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
        ConfigurationError: If the name is unknown.
        MissingDependencyError: If a package that it needs is not installed.
    """
    if name in _READERS:
        return cast(ImportFormat, import_module(f"{__package__}.formats.{_READERS[name]}"))
    if name not in plugin_names(IMPORTERS):
        raise ConfigurationError(f"unknown format {name!r}; known: {', '.join(format_names())}")
    return cast(ImportFormat, load_plugin(IMPORTERS, name))


def find_format(source: Source) -> str:
    """Return the name of the format that a source has, `OURS` included.

    Raises:
        FormatError: If it has none of them.
    """
    for name in [*(set(plugin_names(IMPORTERS)) - _READERS.keys()), *_READERS]:
        if load_format(name).recognize(source):
            return name
    if source.find("") and source.first_sign("") == b"{":
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
            f"{source.location} may be an export of a MemoryBank: import it with "
            "memorybank_core.json_format.import_json"
        )
    return name
