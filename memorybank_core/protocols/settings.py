"""Interface of the settings that a store keeps with its memories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class SettingStore(Protocol):
    """Names and values that describe a bank as a whole, such as the fingerprint of its embedder.

    Reembedding a bank deletes its "fingerprint".
    """

    def read(self) -> dict[str, str]:
        """Return all settings."""
        ...

    def write(self, values: Mapping[str, str]) -> None:
        """Add settings, or replace those of the same names, in one transaction."""
        ...
