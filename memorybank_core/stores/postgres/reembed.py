"""Reembed a database: compute all vectors again with another embedder, without mixing the two.

The new vectors are written to a separate table, one transaction per batch: a run that was
interrupted can be continued. One last transaction, which locks out other writers, replaces the old
table.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder
from memorybank_core.stores.rows import MEMORY_COLUMNS, to_memory

from .address import parse_address
from .connections import Connections, Options, Session, connect
from .row_security import ALL_ROWS
from .schema import SET_META, quote, read_layout
from .statements import Statement
from .tables import MAX_HALF_PRECISION, Layout, vectors_table

BATCH = 64

_LOCK = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.vectors IN EXCLUSIVE MODE"
)
_NEXT_EMBEDDER = Statement("SELECT value FROM memorybank.meta WHERE name = 'next_embedder'")
_MISSING = f"""
    SELECT user_id, seq, {MEMORY_COLUMNS} FROM memorybank.memories AS m
    WHERE (user_id, seq) > (%(user)s, %(seq)s) AND NOT EXISTS (
        SELECT FROM memorybank.vectors_next AS v WHERE v.user_id = m.user_id AND v.seq = m.seq
    )
    ORDER BY user_id, seq LIMIT {BATCH}
"""
_INSERT = """
    INSERT INTO memorybank.vectors_next (user_id, seq, number, vector, indexed)
    SELECT m.user_id, m.seq, %(number)s, %(vector)s, %(indexable)s AND m.seq >= u.indexed_from
    FROM memorybank.memories AS m JOIN memorybank.users AS u ON u.user_id = m.user_id
    WHERE m.user_id = %(user)s AND m.seq = %(seq)s AND m.query = %(query)s
        AND m.response = %(response)s
        AND m.user_name IS NOT DISTINCT FROM %(user_name)s
        AND m.companion_name IS NOT DISTINCT FROM %(companion_name)s
    ON CONFLICT (user_id, seq, number) DO UPDATE SET vector = excluded.vector
"""  # unless the text was changed since it was embedded
_ORPHANS = """
    DELETE FROM memorybank.vectors_next AS v WHERE NOT EXISTS (
        SELECT FROM memorybank.memories AS m WHERE m.user_id = v.user_id AND m.seq = v.seq
    )
"""
_NAMES = """
    SELECT relname, relkind IN ('i', 'I') FROM pg_class
    WHERE relnamespace = %(schema)s::regnamespace AND starts_with(relname, 'vectors_next')
    ORDER BY relkind
"""


def reembed(
    url: str, embedder: Embedder, progress: Callable[[int], None] | None, timeout: float
) -> int:
    """Embed every memory of the bank at `url` with `embedder`; return how many.

    Args:
        url: The URL of the database.
        embedder: The new embedder.
        progress: Called with the number of memories just embedded.
        timeout: Seconds within which each transaction must reach the server.

    Raises:
        ConfigurationError: If there is no bank.
        EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
        StoreError: If the server cannot be reached, or this role may not change the tables.
    """
    address, options = parse_address(url), Options(2, timeout, statement_timeout=0)
    with connect(address, options) as db:
        layout = read_layout(db, address)
    connections = Connections(address, options, layout)
    run = partial(connections.run, scope=ALL_ROWS, writes=True)
    try:
        run(lambda session: _prepare(session, layout, embedder))
        done, after = 0, ("", 0)
        while True:
            count, last = run(partial(_embed, embedder=embedder, after=after))
            if last is None:
                break
            done, after = done + count, last
            if progress:
                progress(count)
        return done + run(lambda session: _replace_vectors(session, address.schema, embedder))
    finally:
        connections.close()


def _prepare(session: Session, layout: Layout, embedder: Embedder) -> None:
    """Create the table of the new vectors; drop the table of an earlier run with another embedder.

    From then on, writers also delete the vectors of replaced and deleted memories from it.
    """
    _, next_embedder = session.execute(_LOCK, _NEXT_EMBEDDER)
    if next_embedder and next_embedder[0][0] == embedder.name:
        return
    if next_embedder:
        session.execute(Statement("DROP TABLE memorybank.vectors_next"))
    created = vectors_table(layout, "vectors_next", embedder.dimension)
    mark = Statement(SET_META, {"name": "next_embedder", "value": embedder.name})
    session.execute(*map(Statement, created), mark)


def _embed(
    session: Session, embedder: Embedder, after: tuple[str, int]
) -> tuple[int, tuple[str, int] | None]:
    """Embed the next batch; return its size and its last memory (None if the batch is empty)."""
    [batch] = session.execute(Statement(_MISSING, {"user": after[0], "seq": after[1]}))
    if not batch:
        return 0, None
    matrices = embed_windows([to_memory("", row[2:]).text for row in batch], embedder)
    names = MEMORY_COLUMNS.split(", ")
    rows = [
        {
            **dict(zip(names, row[2:], strict=True)),
            "user": row[0],
            "seq": row[1],
            "number": number,
            "vector": vector,
            "indexable": embedder.dimension <= MAX_HALF_PRECISION,
        }
        for row, matrix in zip(batch, matrices, strict=True)
        for number, vector in enumerate(matrix)
    ]
    session.execute(Statement(_INSERT, rows))
    return len(batch), (batch[-1][0], batch[-1][1])


def _replace_vectors(session: Session, schema: str, embedder: Embedder) -> int:
    """Embed the memories written in the meantime, and replace the old vectors by the new ones."""
    session.execute(_LOCK)
    done = 0
    last: tuple[str, int] | None = ("", 0)
    while last is not None:
        count, last = _embed(session, embedder, last)
        done += count
    names = Statement(_NAMES, {"schema": quote(schema)})
    [_, names_and_kinds] = session.execute(Statement(_ORPHANS), names)
    renames = [
        Statement(
            f"ALTER {'INDEX' if is_index else 'TABLE'} memorybank.{quote(name)} "
            f"RENAME TO {quote(name.replace('vectors_next', 'vectors', 1))}"
        )
        for name, is_index in names_and_kinds
    ]
    session.execute(Statement("DROP TABLE memorybank.vectors"), *renames)
    properties = [
        {"name": "embedder", "value": embedder.name},
        {"name": "dimension", "value": str(embedder.dimension)},
    ]
    session.execute(
        Statement("UPDATE memorybank.items SET vectors = NULL WHERE vectors IS NOT NULL"),
        Statement("DELETE FROM memorybank.meta WHERE name = 'next_embedder'"),
        Statement(SET_META, properties),
    )
    if embedder.dimension > MAX_HALF_PRECISION:
        session.execute(Statement("UPDATE memorybank.users SET indexed_from = 9223372036854775807"))
    return done
