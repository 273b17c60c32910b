"""Replace the metadata of stored turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memorybank_core.metadata import to_text

from . import page_rows
from .connections import Session
from .statements import Statement

_SELECT_TURNS = (
    "SELECT id, seq FROM memorybank.memories WHERE user_id = %(user)s "
    "AND id = ANY(%(ids)s::text[]) AND kind = 'turn' ORDER BY seq"
)
_UPDATE = (
    "UPDATE memorybank.memories AS m SET metadata = n.metadata "
    "FROM unnest(%(seq)s::bigint[], %(metadata)s::text[]) AS n (seq, metadata) "
    "WHERE m.user_id = %(user)s AND m.seq = n.seq"
)


def set_metadata(session: Session, user_id: str, metadata: Mapping[str, Mapping[str, Any]]) -> int:
    """Replace the metadata of turns; see `MemoryStore.set_metadata`."""
    user, texts = {"user": user_id}, {id: to_text(value) for id, value in metadata.items()}
    _, rows = session.execute(
        session.marker.lock(create=False), Statement(_SELECT_TURNS, {**user, "ids": list(texts)})
    )
    if not rows:
        return 0
    values = {"seq": [seq for _, seq in rows], "metadata": [texts[id] or None for id, _ in rows]}
    [_] = session.execute(Statement(_UPDATE, {**user, **values}))
    page_rows.set_metadata(session, user_id, {seq: texts[id] for id, seq in rows})
    return len(rows)
