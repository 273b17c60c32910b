"""Places: the positions of memories in their conversations, counted in utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .rows import Entry
from .statements import Rows

LAST_PLACES = """
    SELECT c.conversation, ended.created_at, ended.place
    FROM unnest(%(conversations)s::text[]) AS c (conversation), LATERAL (
        SELECT created_at, place FROM memorybank.memories
        WHERE user_id = %(user)s AND conversation = c.conversation AND kind = 'turn'
        ORDER BY place DESC LIMIT 1
    ) AS ended
"""
"""Time and place of the last memory of each conversation."""

RECOMPUTE_PLACES = """
    UPDATE memorybank.memories AS m SET place = counted.place
    FROM (
        SELECT seq, sum(utterances) OVER (
            PARTITION BY conversation ORDER BY created_at, seq
        ) AS place
        FROM memorybank.memories
        WHERE user_id = %(user)s AND conversation = ANY(%(conversations)s::text[])
            AND kind = 'turn'
    ) AS counted
    WHERE m.user_id = %(user)s AND m.seq = counted.seq AND m.place <> counted.place
"""
"""Recomputes the places of the memories in these conversations."""


def find_places(
    new: Sequence[Entry], seqs: Mapping[str, int], replaced_rows: Rows, ends: Rows
) -> tuple[dict[str, int], list[str]]:
    """Return the places of new memories, and the conversations whose places must be recomputed."""
    last = {conversation: (created_at, place) for conversation, created_at, place in ends}
    replaced = {row[0] for row in replaced_rows}
    disordered = {row[4] for row in replaced_rows if row[3] == "turn"}
    places = dict.fromkeys((entry.id for entry in new), 0)
    for entry in sorted(new, key=lambda entry: seqs[entry.id]):
        if entry.kind != "turn":
            continue
        created_at, place = last.get(entry.conversation, (entry.row["created_at"], 0))
        if entry.id in replaced or entry.row["created_at"] < created_at:
            disordered.add(entry.conversation)
        else:
            places[entry.id] = place + entry.row["utterances"]
            last[entry.conversation] = (entry.row["created_at"], places[entry.id])
    return places, sorted(disordered)
