"""Message histories of LangChain: tables of SQLChatMessageHistory and of PostgreSQL, JSON files.

A table has a session and a message in JSON in each row; a file is a list of messages. They have no
times, except for those of `langchain_postgres`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memorybank_core.importers.content import as_id
from memorybank_core.importers.conversations import ImportedTurn, Message, session_turns
from memorybank_core.importers.databases import Database, find_tables, quoted
from memorybank_core.importers.message_tables import read_sessions
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source

from .langchain_messages import to_message, unwrap

FILES = r"(?i).+\.json"
NAME = "langchain"
_COLUMNS = "id", "session_id", "message"


def recognize(source: Source) -> bool:
    """Return whether the source has messages of LangChain."""
    if find_tables(source.database, *_COLUMNS):
        return True
    values = (value for name in source.find(FILES)[:1] for value in source.first(name))
    return any(
        unwrap(value.data) and not {"role", "content"} <= value.data.keys()
        for value in values
        if isinstance(value.data, dict)
        if "data" in value.data or "lc" in value.data
    )


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of all tables or files."""
    database = source.database
    if database is not None:
        for table in find_tables(database, *_COLUMNS):
            yield from _read_table(database, table, source, omissions)
        return
    for name in source.choose(FILES):
        session = name.rpartition("/")[2].removesuffix(".json") or None
        messages = _read_file(source, name, omissions)
        yield from session_turns(messages, session, NAME, omissions)


def _read_file(source: Source, name: str, omissions: Omissions) -> Iterator[Message | None]:
    for value in source.values(name):
        place = f"{name or source.location}, message {value.number}"
        yield _to_message(value.data, None, place, value.fault, omissions)


def _read_table(
    database: Database, table: str, source: Source, omissions: Omissions
) -> Iterator[ImportedTurn]:
    """Yield the turns of a table, session by session."""
    has_time = "created_at" in database.tables()[table]
    time = "created_at" if has_time else "NULL"
    query = f"SELECT session_id, id, message, {time} FROM {quoted(table)} ORDER BY session_id, id"
    rows = database.rows(query)
    for session_id, messages in read_sessions(rows, table, source, _to_message, omissions):
        session = as_id(session_id) or str(session_id)
        yield from session_turns(messages, session, NAME, omissions)


def _to_message(data: Any, at: Any, place: str, fault: str, omissions: Omissions) -> Message | None:
    fields = unwrap(data)
    if fields:
        return to_message(fields, at, NAME, omissions)
    omissions.add_fault("unreadable messages", place, fault or "it is not a message of LangChain")
    return None
