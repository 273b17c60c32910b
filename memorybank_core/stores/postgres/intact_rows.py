"""Read the rows and pages of a database without those that are damaged; see `stores.damage`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from memorybank_core.records import Memory
from memorybank_core.stores.damage import convert_all, convert_parts, memory_name, report_damage
from memorybank_core.stores.index.batch import IndexBatch
from memorybank_core.stores.rows import to_memory

from .connections import Session
from .pages import Page, unpack
from .statements import Row, Rows

R = TypeVar("R")


def convert_rows(
    session: Session, rows: Rows, convert: Callable[[Row], R], name: Callable[[Row], str]
) -> list[R]:
    """Return the converted rows, without those that are damaged.

    Args:
        session: The session that read them.
        rows: The rows.
        convert: Converts a row; raises one of `READ_ERRORS` if it is damaged.
        name: Names a row for the report.
    """
    return convert_all(rows, convert, lambda row: report_damage(session.location, name(row)))


def read_memories(session: Session, user_id: str, rows: Rows) -> list[Memory]:
    """Return the memories of rows of `SELECT_MEMORY`, without those that are damaged."""
    return convert_rows(
        session,
        rows,
        lambda row: to_memory(user_id, row),
        lambda row: memory_name(user_id, row[0]),
    )


def unpack_intact(session: Session, user_id: str, pages: Sequence[Page]) -> list[IndexBatch]:
    """Return the batches of pages, without those that are damaged."""
    batches: list[IndexBatch] = []
    convert_parts(
        pages,
        lambda part: batches.append(unpack(part)),
        lambda page: report_damage(session.location, page_name(user_id, page)),
    )
    return batches


def page_name(user_id: str, page: Page) -> str:
    """Return how a report names a page."""
    return f"the page of the vectors {page.first_seq} to {page.last_seq} of user {user_id!r}"
