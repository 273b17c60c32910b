"""Statements about the rows of digests and of event summaries."""

from __future__ import annotations

from collections.abc import Sequence

from memorybank_core.records import Digest
from memorybank_core.stores.rows import DIGEST_COLUMNS, from_digest

from .statements import Statement

_NAMES = DIGEST_COLUMNS.split(", ")
_SELECT_TURNS = (
    "SELECT id FROM memorybank.memories WHERE user_id = %(user)s AND id = ANY(%(ids)s::text[]) "
    "AND kind <> 'event'"
)
_INSERT_DIGEST = (
    f"INSERT INTO memorybank.digests (user_id, {DIGEST_COLUMNS}) "
    f"VALUES (%(user)s, {', '.join(f'%({name})s' for name in _NAMES)}) "
    "ON CONFLICT (user_id, kind, day) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _NAMES[2:])
)


def select_turns(user_id: str, ids: Sequence[str]) -> Statement:
    """Return the statement that selects those of these ids that are not of event summaries."""
    return Statement(_SELECT_TURNS, {"user": user_id, "ids": ids})


def insert_digests(user_id: str, digests: Sequence[Digest]) -> list[Statement]:
    """Return the statement that inserts digests or replaces those of their kinds and days."""
    values = [
        {"user": user_id, **dict(zip(_NAMES, from_digest(digest), strict=True))}
        for digest in digests
    ]
    return [Statement(_INSERT_DIGEST, values)] if values else []
