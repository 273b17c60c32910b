"""Settings of a file: rows of its table `meta`."""

from __future__ import annotations

from collections.abc import Mapping

from memorybank_core.stores.rules import property_name, select_settings

from .connections import Connections


class LocalSettings:
    """The settings of a file; see `SettingStore`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self) -> dict[str, str]:
        """Return all settings."""
        with self._connections.read() as db:
            return select_settings(db.execute("SELECT name, value FROM meta"))

    def write(self, values: Mapping[str, str]) -> None:
        """Add settings, or replace those of the same names, in one transaction."""
        rows = [(property_name(name), value) for name, value in values.items()]
        with self._connections.write() as db:
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)
