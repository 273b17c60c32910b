"""Which bank a memory that came from JSON means: one that is open here, or that of its place."""

from __future__ import annotations

from weakref import WeakValueDictionary

from memorybank_core import ConfigurationError, MemoryBank, StoreClosedError
from memorybank_core.registry import bank_exists

_OPEN: WeakValueDictionary[str, MemoryBank] = WeakValueDictionary()
"""By their files or URLs, the banks that were given to a memory or reopened by one."""


def path_of(bank: MemoryBank) -> str | None:
    """The file of a bank, or its URL without the password, by which it is found again; or None."""
    path = getattr(bank.store, "path", None)
    if path is None:
        return None
    _OPEN[str(path)] = bank
    return str(path)


def reopened(path: str | None, language: str, timezone: str) -> MemoryBank:
    """The bank of this file or URL: the one that this process has open, else opened anew.

    Raises:
        ConfigurationError: It has no such place, or is gone from it, or its embedder cannot be
            loaded by its name: open the bank with that embedder, and give it to a memory first.
        StoreError: It cannot be opened.
    """
    if path is None:
        raise ConfigurationError(
            "the bank of this memory lies in no file and cannot be opened again: make the memory "
            "with from_defaults(bank=..., user_id=...)"
        )
    bank = _OPEN.get(path)
    if bank is None or _is_closed(bank):
        if not bank_exists(path):  # `open` would make an empty one
            raise ConfigurationError(f"the bank {path} of this memory is gone")
        bank = _OPEN[path] = MemoryBank.open(path, language=language, timezone=timezone)
    return bank


def _is_closed(bank: MemoryBank) -> bool:
    try:
        bank.get([], user_id="-")
    except StoreClosedError:
        return True
    return False
