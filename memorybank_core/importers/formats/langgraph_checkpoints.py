"""Checkpoints of LangGraph: the messages of each thread, with the times of their checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import groupby
from operator import itemgetter
from typing import Any

from memorybank_core.errors import MissingDependencyError
from memorybank_core.importers.content import as_id, as_object, as_text
from memorybank_core.importers.conversations import ImportedTurn, TurnBuilder
from memorybank_core.importers.databases import Database, find_tables, quoted
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.times import parse_time

from .langchain_messages import to_message, unwrap

COLUMNS = "thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "checkpoint"
NAME = "langgraph"

_BLOBS = "channel", "version", "type", "blob"
_WRITES = "checkpoint_id", "task_id", "idx", "channel", "type"
_OBJECTS = range(6)
"""Codes of msgpack for objects: a module, a name and the fields of an object."""
_DELTA = "counters_since_delta_snapshot"
"""Key in the metadata of checkpoints some of whose channels keep changes only."""
_SNAPSHOT = 7
"""Code of msgpack for the value of a channel that keeps changes only."""


def read_threads(
    database: Database, table: str, zone: tzinfo, omissions: Omissions
) -> Iterator[ImportedTurn]:
    """Yield the turns of each thread: those on the way to its latest checkpoint.

    A message gets the time of the checkpoint that has it first. What a later checkpoint removed
    from the state, such as messages that were summarized, comes too.
    """
    query = (
        "SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id "
        f"FROM {quoted(table)} ORDER BY thread_id, checkpoint_ns, checkpoint_id"
    )
    tables = _Tables(database, table)
    for (thread, namespace), rows in groupby(database.rows(query), itemgetter(0, 1)):
        parents = {str(id): parent for _, _, id, parent in rows}
        if namespace:
            omissions.add("checkpoints of subgraphs", len(parents))
            continue
        path = _path(parents)
        omissions.add("checkpoints of other branches", len(parents) - len(path))
        reader = _Thread(tables, str(thread), zone, omissions)
        for id in path:
            reader.add(id)
        yield from reader.turns()


def _path(parents: Mapping[str, Any]) -> list[str]:
    """Return the ids from the first checkpoint to the latest."""
    node: Any = list(parents)[-1]
    path: dict[str, None] = {}
    while node in parents and node not in path:
        path[node] = None
        node = parents[node]
    return list(path)[::-1]


class _Tables:
    """The tables of one saver: checkpoints, and their blobs and writes if they are apart."""

    def __init__(self, database: Database, table: str) -> None:
        start = table.removesuffix("checkpoints")
        self.database, self.table = database, quoted(table)
        self.has_type = "type" in database.tables()[table]
        self.blobs = self._find(f"{start}checkpoint_blobs", *_BLOBS)
        self.writes = self._find(f"{start}checkpoint_writes", *_WRITES) or self._find(
            f"{start}writes", *_WRITES
        )

    def _find(self, name: str, *columns: str) -> str | None:
        return quoted(name) if name in find_tables(self.database, *columns) else None


@dataclass(slots=True)
class _Thread:
    """Collects the messages of one thread from its checkpoints."""

    tables: _Tables
    id: str
    zone: tzinfo
    omissions: Omissions
    _messages: dict[str, tuple[Mapping[str, Any], datetime | None]] = field(default_factory=dict)
    _versions: dict[str, str] = field(default_factory=dict)
    _user: str | None = None

    def add(self, checkpoint_id: str) -> None:
        """Add the messages of a checkpoint that earlier ones do not have."""
        kind = "type" if self.tables.has_type else "NULL"
        query = (
            f"SELECT {kind}, checkpoint, metadata FROM {self.tables.table} "
            "WHERE thread_id = ? AND checkpoint_ns = '' AND checkpoint_id = ?"
        )
        for type, data, metadata in self.tables.database.rows(query, [self.id, checkpoint_id]):
            checkpoint = as_object(self._decode(type or "json", data, checkpoint_id))
            at = parse_time(checkpoint.get("ts"), self.zone)
            channels = dict(as_object(checkpoint.get("channel_values")))
            channels |= self._read_blobs(as_object(checkpoint.get("channel_versions")))
            for name, value in channels.items():
                if not name.startswith("__"):
                    self._keep(value, at)
            details = as_object(self._decode("json", metadata, checkpoint_id))
            self._user = self._user or as_id(details.get("user_id"))
            if _DELTA in details and self.tables.writes:
                self._add_writes(checkpoint_id, at)

    def turns(self) -> Iterator[ImportedTurn]:
        """Yield the turns of the thread."""
        builder = TurnBuilder(self.omissions, self.id, {"source": NAME})
        prefix = f"{NAME}:{self.id}"
        messages = (
            to_message(fields, at, prefix, self.omissions) for fields, at in self._messages.values()
        )
        for turn in builder.to_turns(filter(None, messages)):
            yield ImportedTurn(turn, self._user, (self.id,), is_current=True)

    def _keep(self, value: Any, at: datetime | None) -> None:
        """Keep the messages of a channel, with the time of the first checkpoint that has them."""
        values = value if isinstance(value, (list, tuple)) else [value]
        messages = [fields for item in values if (fields := unwrap(item))]
        for number, fields in enumerate(messages):
            if fields["type"] == "remove":
                continue
            key = as_id(fields.get("id")) or f"{number}:{fields['type']}:{fields['content']}"
            known = self._messages.get(key)
            self._messages[key] = fields, known[1] if known else at

    def _read_blobs(self, versions: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of channels that changed and that have a table of their own."""
        if self.tables.blobs is None:
            return {}
        query = (
            f"SELECT type, blob FROM {self.tables.blobs} "
            "WHERE thread_id = ? AND checkpoint_ns = '' AND channel = ? AND version = ?"
        )
        values: dict[str, Any] = {}
        for channel, version in versions.items():
            if self._versions.get(channel) != str(version) and not channel.startswith("__"):
                self._versions[channel] = str(version)
                parameters = [self.id, channel, str(version)]
                for type, blob in self.tables.database.rows(query, parameters):
                    values[channel] = self._decode(type, blob, channel)
        return values

    def _add_writes(self, checkpoint_id: str, at: datetime | None) -> None:
        """Add what the tasks of a checkpoint wrote, for channels that keep changes only."""
        column = "blob" if "checkpoint_writes" in str(self.tables.writes) else "value"
        query = (
            f"SELECT type, {column} FROM {self.tables.writes} WHERE thread_id = ? "
            "AND checkpoint_ns = '' AND checkpoint_id = ? AND substr(channel, 1, 2) <> '__' "
            "ORDER BY task_id, idx"
        )
        for type, blob in self.tables.database.rows(query, [self.id, checkpoint_id]):
            self._keep(self._decode(type, blob, checkpoint_id), at)

    def _decode(self, type: Any, data: Any, place: str) -> Any:
        """Return the plain value of serialized data; None, and a count, if it cannot be read."""
        if data is None or isinstance(data, (dict, list)):
            return data
        try:
            if type == "msgpack":
                return unpack(bytes(data))
            if type == "json":
                return json.loads(data)
        except (ValueError, TypeError, RecursionError) as error:
            where = f"thread {self.id}, {place}"
            self.omissions.add_fault("unreadable checkpoints", where, str(error))
            return None
        if as_text(type) not in ("null", "empty", "bytes", "bytearray"):
            self.omissions.add(f"values serialized as {as_text(type)[:40]!r}, which is not read")
        return None


def unpack(data: bytes) -> Any:
    """Return the value of msgpack; instead of objects, their fields.

    Raises:
        ValueError: If it is not valid.
        MissingDependencyError: If ormsgpack is not installed.
    """
    try:
        import ormsgpack
    except ImportError as error:
        raise MissingDependencyError.of("ormsgpack", "langchain") from error

    option = ormsgpack.OPT_NON_STR_KEYS

    def read_object(code: int, content: bytes) -> Any:
        value = ormsgpack.unpackb(content, ext_hook=read_object, option=option)
        if code == _SNAPSHOT:
            return value
        is_object = code in _OBJECTS and isinstance(value, list) and len(value) > 2
        return value[2] if is_object else None

    return ormsgpack.unpackb(data, ext_hook=read_object, option=option)
