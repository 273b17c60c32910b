"""Embeds a bank's memories anew, as `stores/reembed` does a file's.

The new vectors are written beside the old ones, a batch in a transaction; one last transaction, in
which nobody else writes, puts them in the place of the old.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder
from memorybank_core.stores.rows import COLUMNS, to_memory

from .address import address_of
from .connections import EVERYONE, Connections, Options, Statement, Steps, alone
from .schema import MOST_HALVED, SET_META, Layout, layout_of, quoted, vectors_table

BATCH = 64

_LOCK = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.vectors IN EXCLUSIVE MODE"
)
_BEGUN = Statement("SELECT value FROM memorybank.meta WHERE name = 'next_embedder'")
_MISSING = f"""
    SELECT user_id, seq, {COLUMNS} FROM memorybank.memories AS m
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
"""  # only where the text still is as it was embedded
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
    address, options = address_of(url), Options(2, timeout, statement_timeout=0)
    with alone(address, options) as db:
        layout = layout_of(db, address)
    connections = Connections(address, options, walls=layout.walls)
    try:
        connections.run(partial(_prepare, layout, embedder), EVERYONE, writes=True)
        done, after = 0, ("", 0)
        while True:
            step = partial(_embed, embedder, after)
            count, last = connections.run(step, EVERYONE, writes=True)
            if last is None:
                break
            done, after = done + count, last
            if progress:
                progress(count)
        swap = partial(_swap, address.schema, embedder)
        return done + connections.run(swap, EVERYONE, writes=True)
    finally:
        connections.close()


def _prepare(layout: Layout, embedder: Embedder) -> Steps[None]:
    """Makes room for the new vectors; drops those of a run with yet another embedder.

    Whoever writes afterwards knows of them, and drops those of what is replaced.
    """
    _, begun = yield [_LOCK, _BEGUN]
    if begun and begun[0][0] != embedder.name:
        yield [Statement("DROP TABLE memorybank.vectors_next")]
    if not begun or begun[0][0] != embedder.name:
        told = {"name": "next_embedder", "value": embedder.name}
        made = vectors_table(layout, "vectors_next", embedder.dimension)
        yield [*map(Statement, made), Statement(SET_META, told)]


def _embed(embedder: Embedder, after: tuple[str, int]) -> Steps[tuple[int, tuple[str, int] | None]]:
    """Embeds a batch; returns how many, and the last of them, None where none is left."""
    values = {"user": after[0], "seq": after[1]}
    [batch] = yield [Statement(_MISSING, values)]
    if not batch:
        return 0, None
    matrices = embed_windows([to_memory("", row[2:]).text for row in batch], embedder)
    names = COLUMNS.split(", ")
    rows = [
        {
            **dict(zip(names, row[2:], strict=True)),
            "user": row[0],
            "seq": row[1],
            "number": number,
            "vector": vector,
            "indexable": embedder.dimension <= MOST_HALVED,
        }
        for row, matrix in zip(batch, matrices, strict=True)
        for number, vector in enumerate(matrix)
    ]
    yield [Statement(_INSERT, rows)]
    return len(batch), (batch[-1][0], batch[-1][1])


def _swap(schema: str, embedder: Embedder) -> Steps[int]:
    """Embeds what came meanwhile, and puts the new vectors in the place of the old."""
    yield [_LOCK]
    done = 0
    last: tuple[str, int] | None = ("", 0)
    while last is not None:
        count, last = yield from _embed(embedder, last)
        done += count
    [_, names] = yield [
        Statement(_ORPHANS),
        Statement(_NAMES, {"schema": quoted(schema)}),
    ]
    renamed = [
        Statement(
            f"ALTER {'INDEX' if is_index else 'TABLE'} memorybank.{quoted(name)} "
            f"RENAME TO {quoted(name.replace('vectors_next', 'vectors', 1))}"
        )
        for name, is_index in names
    ]
    told = [
        {"name": "embedder", "value": embedder.name},
        {"name": "dimension", "value": str(embedder.dimension)},
    ]
    yield [Statement("DROP TABLE memorybank.vectors"), *renamed]
    yield [
        Statement("UPDATE memorybank.items SET vectors = NULL WHERE vectors IS NOT NULL"),
        Statement("DELETE FROM memorybank.meta WHERE name = 'next_embedder'"),
        Statement(SET_META, told),
    ]
    if embedder.dimension > MOST_HALVED:
        yield [Statement("UPDATE memorybank.users SET indexed_from = 9223372036854775807")]
    return done
