"""Give a bank the tables and pages of schema 2, as the last version of that schema wrote them."""

import json
import struct

import numpy as np
from postgres_servers import connect

from memorybank_core.stores.postgres.page_rows import PAGE_COLUMNS
from memorybank_core.stores.postgres.pages import Page, unpack

ROW = np.dtype(
    [
        ("key", "<u4"),
        ("created", "<i8"),
        ("day", "<i4"),
        ("kind", "u1"),
        ("utterances", "u1"),
        ("session", "<i2"),
        ("speaker", "<i2"),
        ("windows", "<u4"),
        ("terms", "<u4"),
    ]
)


def to_schema_2(url):
    """Turn a bank into one of schema 2."""
    with connect(url, autocommit=True) as db:
        db.execute("SET memorybank_session.scope = 'all'")
        to_layout_1(db)
        db.execute("ALTER TABLE memorybank.memories DROP COLUMN metadata")
        db.execute("DROP TABLE memorybank.replacements")
        db.execute("UPDATE memorybank.meta SET value = '2' WHERE name = 'schema'")


def to_layout_1(db):
    """Write every page in layout 1, with terms that no text has."""
    pages = db.execute(f"SELECT user_id, generation, {PAGE_COLUMNS} FROM memorybank.pages")
    for user, generation, *page in pages.fetchall():
        db.execute(
            "UPDATE memorybank.pages SET columns = %s WHERE user_id = %s AND generation = %s "
            "AND first_seq = %s",
            (pack(Page(*page)), user, generation, page[0]),
        )


def pack(page):
    """Return the columns of a page in layout 1."""
    batch = unpack([page])
    rows = np.zeros(len(batch), ROW)
    for name in ROW.names:
        rows[name] = getattr(batch, name)
    rows["key"] = batch.key - page.first_seq
    postings = batch.postings.copy()
    postings["term"] += np.uint32(1)
    names = json.dumps([[*batch.sessions], [*batch.speakers]]).encode()
    header = struct.pack("<BHI", 1, len(batch), len(names))
    return b"".join((header, rows.tobytes(), names, postings.tobytes()))
