"""Read and write rows of pages. Whoever writes them holds the lock of their user."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from typing import Any

import numpy as np

from memorybank_core.protocols import Array, Matrix
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.stores.damage import READ_ERRORS
from memorybank_core.stores.index.batch import IndexBatch, concatenate, encode

from .connections import Session
from .intact_rows import unpack_intact
from .pages import SMALL, Page, find_mergeable, pack, replace, to_pages, unpack
from .rows import insert_rows, to_columns
from .statements import Rows, Statement
from .tables import GENERATION

PAGE_COLUMNS = "first_seq, last_seq, columns, vectors"
"""The columns of `Page`."""
COVERING = (
    f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %(user)s "
    "AND generation = {generation} AND first_seq = ANY(ARRAY(SELECT ("
    "SELECT max(p.first_seq) FROM memorybank.pages AS p WHERE p.user_id = %(user)s "
    "AND p.generation = {generation} AND p.first_seq <= n.seq) FROM {memories})) "
    "ORDER BY first_seq"
)
"""The pages of a generation that have these memories `n`."""

_TYPES = {"first_seq": "bigint", "last_seq": "bigint", "columns": "bytea", "vectors": "bytea"}
_ADDED = {
    "first_seq": "u.next_seq - %(new)s + n.first_seq",
    "last_seq": "u.next_seq - %(new)s + n.last_seq",
    "generation": "u.generation",
    "version": "u.writes",
}
ADD_FROM_OWNER = insert_rows("pages", _TYPES, _ADDED, owner="owner")
"""Adds the pages of new memories, whose user is the row `owner` of a WITH."""
_ADD = insert_rows("pages", _TYPES, _ADDED) + " AND u.marks[1] = %(marker)s"
_INSERT = insert_rows(
    "pages", _TYPES, {"generation": "u.generation + {offset}", "version": "u.writes"}
)
_DELETE = (
    f"DELETE FROM memorybank.pages WHERE user_id = %(user)s AND generation = {GENERATION} "
    "+ {offset} AND first_seq = ANY(%(first_seqs)s::bigint[])"
)
_LOCK = f"UPDATE memorybank.users SET generation = {GENERATION} WHERE user_id = %(user)s"
_LAST_RANGES = (
    f"SELECT first_seq, last_seq FROM memorybank.pages WHERE user_id = %(user)s "
    f"AND generation = {GENERATION} ORDER BY first_seq DESC LIMIT 128"
)
_SELECT = (
    f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %(user)s "
    f"AND generation = {GENERATION} AND first_seq = ANY(%(first_seqs)s::bigint[]) "
    "ORDER BY first_seq"
)
_SELECT_ALL = (
    f"SELECT {PAGE_COLUMNS} FROM memorybank.pages WHERE user_id = %(user)s "
    f"AND generation = {GENERATION} ORDER BY first_seq"
)
_SELECT_SEQS = "SELECT seq FROM memorybank.memories WHERE user_id = %(user)s"
_BUILD_AGAIN = "UPDATE memorybank.users SET rewritten = writes WHERE user_id = %(user)s"
PAGES_A_STATEMENT = 32
"""Maximum number of pages that one statement inserts."""


@dataclass(frozen=True, slots=True)
class Removal:
    """The effect of `rewrite` on the pages that searches read.

    Attributes:
        vectors: Number of vectors removed.
        has_dropped_pages: Whether a page had no memory left: indexes must be built from scratch.
    """

    vectors: int
    has_dropped_pages: bool


def read_pages(rows: Rows) -> list[Page]:
    """Return the pages of rows of `PAGE_COLUMNS`."""
    return [Page(*row) for row in rows]


def read_matrices(session: Session, user_id: str, rows: Rows) -> dict[int, Matrix]:
    """Return the vectors of the memories of pages, float32 (windows, d), by sequence number."""
    matrices: dict[int, Matrix] = {}
    for batch in unpack_intact(session, user_id, read_pages(rows)):
        parts = np.split(batch.vectors, np.cumsum(batch.windows)[:-1])
        matrices.update(zip(batch.key.tolist(), parts, strict=True))
    return matrices


def to_values(pages: Sequence[Page]) -> dict[str, Any]:
    """Return the values of the pages that one statement inserts."""
    rows = [(page.first_seq, page.last_seq, page.columns, page.vectors) for page in pages]
    return to_columns(_TYPES, rows)


def insert(pages: Sequence[Page], values: dict[str, Any]) -> list[Statement]:
    """Return statements that add the pages of new memories.

    They do nothing if the first statement of the transaction did not write its marker.

    Args:
        pages: The pages, with sequence numbers that begin at 0.
        values: "user", "marker", and "new", the number of memories.
    """
    return _build_insertions(_ADD, pages, values)


def rewrite(
    session: Session, user_id: str, seqs: Collection[int], new: IndexBatch | None = None
) -> Removal:
    """Remove memories from their pages, or replace them by those of `new` with the same number.

    Pages of an unfinished `reembed` lose them in any case: it will embed the new texts.
    """
    seqs = np.array(sorted(seqs), np.int64)
    offsets = (0, 1)  # of the generation
    results = session.execute(*(_select_pages(user_id, offset, seqs) for offset in offsets))
    statements, vectors, dropped = [], 0, False
    for offset, rows in zip(offsets, results, strict=True):
        changed, old = [], []
        for page in read_pages(rows):
            try:
                batch = unpack([page])
            except READ_ERRORS:  # what is deleted must not stay in a damaged page
                old.append(page.first_seq)
                dropped = True
                continue
            hit = np.isin(batch.key, seqs)
            if not hit.any():
                continue
            old.append(page.first_seq)
            kept = batch.select(~hit)
            if offset == 0:
                vectors += int(batch.windows[hit].sum())
                if new is not None:
                    kept = replace(kept, new.select(np.isin(new.key, batch.key)))
                dropped |= not len(kept)
            if len(kept):
                changed.append(pack(kept, page.first_seq, page.last_seq, page.terms_version))
        statements += _replace_rows(user_id, offset, old, changed)
    session.execute(*statements)
    return Removal(vectors, dropped)


def set_metadata(session: Session, user_id: str, texts: Mapping[int, str]) -> None:
    """Replace metadata, given as JSON by sequence number, in the pages that searches read."""
    seqs = np.array(sorted(texts), np.int64)
    [rows] = session.execute(_select_pages(user_id, 0, seqs))
    for batch in unpack_intact(session, user_id, read_pages(rows)):
        changed = batch.select(np.isin(batch.key, seqs))
        codes, names = encode(texts[key] for key in changed.key.tolist())
        new = replace_fields(changed, metadata=codes, metadata_texts=names)
        rewrite(session, user_id, changed.key.tolist(), new)


def replace_all(session: Session, user_id: str, new: IndexBatch | None) -> None:
    """Write all pages of a user again, and make every process build its index from scratch.

    Entries of deleted memories are left out, and so are damaged pages.

    Args:
        session: The session.
        user_id: The user.
        new: The entries that replace those with the same sequence numbers, or are added.
    """
    user = {"user": user_id}
    *_, rows, seqs = session.execute(
        Statement(_LOCK, user), Statement(_SELECT_ALL, user), Statement(_SELECT_SEQS, user)
    )
    pages, stored = read_pages(rows), np.array([seq for (seq,) in seqs], np.int64)
    kept = [
        batch.select(np.isin(batch.key, stored)) for batch in unpack_intact(session, user_id, pages)
    ]
    merged = concatenate(kept) if any(map(len, kept)) else None
    if merged and new:
        merged = replace(merged, new)
    batch = merged or new
    version = min([page.terms_version for page in pages], default=TERMS_VERSION)
    written = list(to_pages(batch, terms_version=version)) if batch else []
    first_seqs = [page.first_seq for page in pages]
    session.execute(
        *_replace_rows(user_id, 0, first_seqs, []),
        *_build_insertions(_INSERT.format(offset=0), written, user),
        Statement(_BUILD_AGAIN, user),
    )


def should_merge(next_seq: int, added: int) -> bool:
    """Return whether to merge small pages: after every eighth memory or so."""
    return (next_seq - 1) // SMALL > (next_seq - 1 - added) // SMALL


def merge(session: Session, user_id: str) -> None:
    """Merge the user's last pages if they are many and small.

    The user's version stays: indexes of that version already have what the merged pages hold.
    """
    user = {"user": user_id}
    _, ranges = session.execute(Statement(_LOCK, user), Statement(_LAST_RANGES, user))
    first_seqs = find_mergeable(ranges)
    if first_seqs:
        [rows] = session.execute(Statement(_SELECT, {**user, "first_seqs": first_seqs}))
        pages = read_pages(rows)
        batches = unpack_intact(session, user_id, pages)
        if len(batches) != 1:  # one is damaged: leave all as they are
            return
        version = min(page.terms_version for page in pages)
        merged = list(to_pages(batches[0], min(first_seqs), version))
        session.execute(*_replace_rows(user_id, 0, first_seqs, merged))


def _select_pages(user_id: str, offset: int, seqs: Array) -> Statement:
    """Return the statement that reads the pages of a generation that have these memories."""
    covering = COVERING.format(
        generation=f"{GENERATION} + {offset}", memories="unnest(%(seqs)s::bigint[]) AS n (seq)"
    )
    return Statement(covering, {"user": user_id, "seqs": seqs.tolist()})


def _replace_rows(
    user_id: str, offset: int, old: Sequence[int], pages: Sequence[Page]
) -> list[Statement]:
    """Return statements that delete pages and insert others.

    Args:
        user_id: The user.
        offset: 0 for the current generation, 1 for the next.
        old: The first sequence numbers of the pages to delete.
        pages: The pages to insert.
    """
    if not old:
        return []
    user = {"user": user_id}
    delete = Statement(_DELETE.format(offset=offset), {**user, "first_seqs": list(old)})
    return [delete, *_build_insertions(_INSERT.format(offset=offset), pages, user)]


def _build_insertions(text: str, pages: Sequence[Page], values: dict[str, Any]) -> list[Statement]:
    return [
        Statement(text, {**values, **to_values(pages[start : start + PAGES_A_STATEMENT])})
        for start in range(0, len(pages), PAGES_A_STATEMENT)
    ]
