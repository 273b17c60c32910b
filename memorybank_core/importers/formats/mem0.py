"""mem0: an export of `get_all` in JSON, or its history database.

The database has no user ids for memories, so it says whose they are only by the export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timezone
from typing import Any

from memorybank_core.importers.content import as_id, as_object, as_text
from memorybank_core.importers.conversations import (
    MAX_TEXT,
    NO_TEXT,
    TOO_LONG,
    ImportedTurn,
    make_turn,
    present,
)
from memorybank_core.importers.databases import Database, find_tables, quoted
from memorybank_core.importers.entries import has_entries, read_entries
from memorybank_core.importers.json_stream import JsonValue
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time

FILES = r"(?i).+\.(?:json|jsonl|ndjson)"
NAME = "mem0"

_COLUMNS = "memory_id", "old_memory", "new_memory", "event", "created_at"
_LISTS = (("results",), ("memories",))


def recognize(source: Source) -> bool:
    """Return whether the source is an export or a history of mem0."""
    if find_tables(source.database, *_COLUMNS):
        return True
    values = (value for name in source.find(FILES)[:1] for value in _values(source, name))
    return has_entries(values, _is_memory)


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield each memory as a turn that the user said."""
    if source.database is not None:
        for table in find_tables(source.database, *_COLUMNS):
            yield from _read_history(source.database, table, omissions)
        return
    for name in source.choose(FILES):
        for value in _values(source, name):
            data = as_object(value.data)
            if _is_memory(data):
                yield from _to_turn(data, omissions)
            else:
                place = f"{name or source.location}, entry {value.number}"
                reason = value.fault or "it is not a memory of mem0"
                omissions.add_fault("unreadable memories", place, reason)


def _values(source: Source, name: str) -> Iterator[JsonValue]:
    """Return the memories of a list, of an object with "results", or of JSON lines."""
    values = read_entries(source, name, _is_memory)
    return (value for value in values if value.fault or not value.keys or value.keys in _LISTS)


def _is_memory(data: Mapping[str, Any]) -> bool:
    return isinstance(data.get("memory"), str) and bool({"id", "user_id", "hash"} & data.keys())


def _to_turn(data: Mapping[str, Any], omissions: Omissions) -> Iterator[ImportedTurn]:
    text, user, id = as_text(data["memory"]), as_id(data.get("user_id")), as_id(data.get("id"))
    run, agent = as_id(data.get("run_id")), as_id(data.get("agent_id"))
    if not text or len(text) > MAX_TEXT:
        omissions.add(TOO_LONG if text else NO_TEXT)
        return
    own = {"agent_id": agent, "categories": data.get("categories")}
    turn = make_turn(
        omissions,
        query=text,
        at=parse_time(data.get("updated_at") or data.get("created_at"), timezone.utc),
        id=f"{NAME}:{id}" if id else None,
        session=run,
        metadata={"source": NAME, **present(own), **as_object(data.get("metadata"))},
    )
    if turn is not None:
        yield ImportedTurn(turn, user, tuple(filter(None, (user, run, agent))), is_current=True)


def _read_history(database: Database, table: str, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the present text of each memory that was not deleted."""
    name = quoted(table)
    query = (
        f"SELECT memory_id, new_memory, event, created_at, updated_at FROM {name} h "
        f"WHERE rowid = (SELECT max(rowid) FROM {name} WHERE memory_id = h.memory_id) "
        "ORDER BY rowid"
    )
    for id, text, event, created, updated in database.rows(query):
        if event == "DELETE":
            omissions.add("deleted memories")
            continue
        if isinstance(text, bytes):
            omissions.add_fault("unreadable memories", f"{table}, {id}", "it is not UTF-8")
            continue
        times = {"created_at": created, "updated_at": updated}
        yield from _to_turn({"id": id, "memory": text, **times}, omissions)
    rows = database.rows(f"SELECT count(*) - count(DISTINCT memory_id) FROM {name}")
    omissions.add("earlier versions of memories", next(rows)[0])
    if "messages" in database.tables():
        rows = database.rows("SELECT count(*) FROM messages")
        omissions.add("messages (mem0 keeps the last ten)", next(rows)[0])
