"""LangGraph: memories of a store and conversations of checkpoints, in SQLite or PostgreSQL.

Checkpoints are decoded without creating any of the objects in them: the fields of messages are read
from msgpack or JSON, and pickle is never loaded.
"""

from __future__ import annotations

from collections.abc import Iterator

from memorybank_core.importers.conversations import ImportedTurn
from memorybank_core.importers.databases import find_tables
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source

from .langgraph_checkpoints import COLUMNS as CHECKPOINT
from .langgraph_checkpoints import read_threads
from .langgraph_store import COLUMNS as ITEM
from .langgraph_store import read_items


def recognize(source: Source) -> bool:
    """Return whether the source is a database of LangGraph."""
    database = source.database
    return bool(find_tables(database, *CHECKPOINT) or find_tables(database, *ITEM))


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of the threads, then the memories of the store."""
    database = source.database
    if database is None:
        return
    for table in find_tables(database, *CHECKPOINT):
        yield from read_threads(database, table, source.zone, omissions)
    for table in find_tables(database, *ITEM):
        yield from read_items(database, table, omissions)
