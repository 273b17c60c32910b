"""Settings of a database: rows of its table `meta`."""

from __future__ import annotations

from collections.abc import Mapping

from memorybank_core.stores.rules import property_name, select_settings

from .connections import Connections
from .row_security import ALL_ROWS
from .schema import SET_META
from .statements import Statement

_SELECT = Statement("SELECT name, value FROM memorybank.meta")


class PostgresSettings:
    """The settings of a database; see `SettingStore`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def read(self) -> dict[str, str]:
        """Return all settings."""
        [rows] = self._connections.run(
            lambda session: session.execute(_SELECT), ALL_ROWS, writes=False
        )
        return select_settings(rows)

    def write(self, values: Mapping[str, str]) -> None:
        """Add settings, or replace those of the same names, in one transaction."""
        rows = [{"name": property_name(name), "value": value} for name, value in values.items()]
        if rows:
            set_meta = Statement(SET_META, rows)
            self._connections.run(lambda session: session.execute(set_meta), ALL_ROWS, writes=True)
