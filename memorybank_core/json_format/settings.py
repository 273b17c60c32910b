"""Export and import of the settings that a bank keeps, next to its items in the bank's entry.

Settings that have their default are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memorybank_core.bank import MemoryBank
from memorybank_core.configuration import (
    DEFAULTS,
    LANGUAGE,
    LAW,
    TIMEZONE,
    law_from_text,
    validate_settings,
)
from memorybank_core.errors import FormatError, MemoryBankError

from .items import BANK_KEY, SETTINGS


def export_settings(bank: MemoryBank) -> dict[str, str]:
    """Return the settings that a bank keeps and that differ from the defaults."""
    kept = bank.store.settings.read()
    return {
        name: kept[name] for name in DEFAULTS if kept.get(name, DEFAULTS[name]) != DEFAULTS[name]
    }


def read_settings(bank: MemoryBank, data: Any) -> dict[str, Any]:
    """Return the settings of an export that a bank takes, as arguments of `MemoryBank.configure`.

    A bank with memories takes none, and another one only those that are its defaults so far.

    Raises:
        FormatError: If a setting is not valid.
    """
    entry = data.get(BANK_KEY) if isinstance(data, Mapping) else None
    exported = entry.get(SETTINGS) if isinstance(entry, Mapping) else None
    if not isinstance(exported, Mapping) or bank.users():
        return {}
    kept = bank.store.settings.read()
    new: dict[str, Any] = {
        name: str(exported[name])
        for name in DEFAULTS
        if name in exported and kept.get(name, DEFAULTS[name]) == DEFAULTS[name]
    }
    try:
        if LAW in new:
            new[LAW] = law_from_text(new[LAW])
        validate_settings(new.get(LANGUAGE), new.get(TIMEZONE), new.get(LAW))
    except (MemoryBankError, ValueError, TypeError, KeyError) as error:
        raise FormatError(f"the settings of the export are not valid: {error}") from error
    return new
