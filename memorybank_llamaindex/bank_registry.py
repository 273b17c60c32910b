"""Registry of open banks, in which a deserialized memory finds its bank."""

from __future__ import annotations

from weakref import WeakValueDictionary

from memorybank_core import ConfigurationError, MemoryBank, StoreClosedError
from memorybank_core.registry import bank_exists

_OPEN_BANKS: WeakValueDictionary[str, MemoryBank] = WeakValueDictionary()
"""Banks that were passed to a memory or reopened by one, by file or URL."""


def register_bank(bank: MemoryBank) -> str | None:
    """Register a bank and return its file, or its URL without the password; None if in memory."""
    path = getattr(bank.store, "path", None)
    if path is None:
        return None
    _OPEN_BANKS[str(path)] = bank
    return str(path)


def find_bank(path: str | None, language: str, timezone: str) -> MemoryBank:
    """Return the registered bank of a file or URL; open it if it is not registered or is closed.

    Args:
        path: File or URL of the bank; None if it is in memory.
        language: Language to open the bank with.
        timezone: Time zone to open the bank with.

    Raises:
        ConfigurationError: If the bank has no path or no longer exists, or its embedder cannot be
            loaded by name. In the last case, first open the bank with that embedder and create a
            memory with it.
        StoreError: If the bank cannot be opened.
    """
    if path is None:
        raise ConfigurationError(
            "the bank of this memory has no file and cannot be reopened: create the memory with "
            "from_defaults(bank=..., user_id=...)"
        )
    bank = _OPEN_BANKS.get(path)
    if bank is None or _is_closed(bank):
        if not bank_exists(path):  # `open` would create an empty bank
            raise ConfigurationError(f"the bank {path} of this memory no longer exists")
        bank = _OPEN_BANKS[path] = MemoryBank.open(path, language=language, timezone=timezone)
    return bank


def _is_closed(bank: MemoryBank) -> bool:
    try:
        bank.get([], user_id="-")
    except StoreClosedError:
        return True
    return False
