"""Exports of a MemoryBank, and the original's JSON: which file of a source has one."""

from __future__ import annotations

from typing import Any

from memorybank_core.errors import FormatError
from memorybank_core.json_format.files import parse
from memorybank_core.json_format.items import BANK_KEY, SETTINGS

from .json_stream import JsonValue
from .sources import Source

FILES = r"(?i)[^.].*\.json"

_ENTRY = frozenset(
    {
        "history",
        "summary",
        "personality",
        "overall_history",
        "overall_personality",
        "meta_information",
        "digests",
    }
)
_BANK_ENTRY = frozenset({"items", SETTINGS})


def find_export(source: Source) -> str | None:
    """Return the file that has the JSON of a MemoryBank; None if no file has it.

    Raises:
        FormatError: If there are several.
    """
    names = [name for name in source.find(FILES) if _has_export(source, name)]
    if len(names) > 1:
        raise FormatError(
            f"{source.location} has several exports of a MemoryBank, such as {names[0]} and "
            f"{names[1]}: import them one by one"
        )
    return names[0] if names else None


def load_export(source: Source) -> dict[str, Any]:
    """Return the JSON of a MemoryBank, as `json_format.load` returns that of a file.

    Raises:
        FormatError: If it cannot be read.
    """
    name = find_export(source)
    if name is None:
        name = next(iter(source.find(FILES)), None)
    if name is None:
        raise FormatError(f"{source.location} has no JSON file with an export of a MemoryBank")
    label = f"{source.location}, {name}" if name else source.location
    return parse(source.read_bytes(name), label)


def _has_export(source: Source, name: str) -> bool:
    if source.first_sign(name) != b"{":
        return False
    values = source.first(name, depth=2)
    is_empty = not values and b"".join(source.head(name).split()) == b"{}"
    is_damaged = not name and any(value.fault for value in values)  # the parser says where
    return is_empty or is_damaged or _has_entry(values)


def _has_entry(values: list[JsonValue]) -> bool:
    """Return whether members of an object are a user with a history, or a bank with items."""
    keys: dict[str, set[str]] = {}
    for value in values:
        if len(value.keys) > 1:
            keys.setdefault(value.keys[0], set()).add(value.keys[1])
    return any(
        "history" in own or len(own & _ENTRY) > 1 or (user == BANK_KEY and own & _BANK_ENTRY)
        for user, own in keys.items()
    )
