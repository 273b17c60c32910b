"""Searching: the candidates for a probe, found and scored in the engine.

After a look at the user one statement does it all: it pools the windows nearest to the query's
vector and the best memories by BM25, of all memories and, where the query names days, of those
days; adds their neighbours in the conversation; and gives what ranking needs of them. Of a user
with very many windows the nearest come from the HNSW index: see `large`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from memorybank_core.protocols import Candidates, Filter, Probe
from memorybank_core.search.dates import DayRange
from memorybank_core.search.tokenize import tokenize

from . import large
from .base import WRITTEN_BY, Base, awaited, reads
from .connections import Rows, Statement, Steps
from .rows import conditions, term_keys
from .scoring import KNOWN, whole

_USER = f"WITH {KNOWN} SELECT size, indexed_from FROM known"
_SPEAKERS = """
    WITH RECURSIVE names (speaker) AS (
        SELECT min(speaker) FROM memorybank.memories
        WHERE user_id = %(user)s AND speaker IS NOT NULL
        UNION ALL
        SELECT (
            SELECT min(m.speaker) FROM memorybank.memories AS m
            WHERE m.user_id = %(user)s AND m.speaker > names.speaker
        )
        FROM names WHERE names.speaker IS NOT NULL
    )
    SELECT speaker FROM names WHERE speaker IS NOT NULL
"""  # leaps from one name to the next, past the memories of each


class Searching(Base):
    """`candidates`."""

    @reads
    def candidates(self, user_id: str, probe: Probe) -> Steps[Candidates]:
        """The memories that may answer `probe`, and their neighbours."""
        allowed, values = conditions(probe.filter)
        within = _within(probe.days, values)
        values |= {
            "user": user_id,
            "vector": probe.vector,
            "terms": term_keys(user_id, sorted(set(probe.terms))),
            "pool": probe.pool,
            "least": probe.least,
            "reach": probe.reach,
        }
        users, speakers, written_by = yield [
            Statement(_USER, values),
            Statement(_SPEAKERS, values),
            WRITTEN_BY,
        ]
        self._check_embedder(written_by)
        rows: Rows = []
        for size, indexed_from in users:
            if indexed_from > 1 or probe.filter != Filter(archived=probe.filter.archived):
                [rows] = yield [Statement(whole(allowed, within), values)]
            else:
                rows = yield from large.rows(values, allowed, within, size, self._dimension)
        return _columns(rows, probe, _spoken_of(probe.terms, speakers))

    acandidates = awaited(candidates)


def _within(days: Sequence[DayRange], values: dict[str, Any]) -> str | None:
    """The condition for the days that a query names; its values are added to the others."""
    spans = []
    for number, span in enumerate(days):
        values |= {f"first{number}": str(span.first), f"last{number}": str(span.last)}
        spans.append(f"m.day BETWEEN %(first{number})s AND %(last{number})s")
    return " OR ".join(spans) or None


def _spoken_of(terms: Sequence[str], speakers: Rows) -> str | None:
    """The one speaker whom a query of these terms names, if it is one."""
    asked = set(terms)
    names = [name for (name,) in speakers if (parts := set(tokenize(name))) and parts <= asked]
    return names[0] if len(names) == 1 else None


def _columns(rows: Rows, probe: Probe, spoken: str | None) -> Candidates:
    """The candidates of these rows."""
    codes = {name: code for code, name in enumerate(dict.fromkeys(row[3] for row in rows))}
    codes[None] = -1
    table = [
        (
            key,
            similarity,
            lexical or 0.0,
            pooled,
            _named(day, probe.days) if probe.days else 0,
            spoken is not None and speaker == spoken,
            codes[conversation],
            place,
            created / 1e6,
            refreshed / 1e6,
            strength,
        )
        for key, day, speaker, conversation, place, created, strength, refreshed,
        similarity, lexical, pooled in rows
    ]  # fmt: skip
    names = [field.name for field in fields(Candidates)]
    columns = zip(*table, strict=True) if table else [()] * len(names)
    return Candidates(
        **{
            name: np.array(column, _TYPES.get(name, np.float64))
            for name, column in zip(names, columns, strict=True)
        }
    )


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("key", "named", "session", "place"), np.int64),
    **dict.fromkeys(("pooled", "spoken"), np.bool_),
}


def _named(day: str, spans: Sequence[DayRange]) -> int:
    """The length in days of the shortest span that the day lies in, or 0."""
    return min((span.days for span in spans if str(span.first) <= day <= str(span.last)), default=0)
