"""Reembed a database: compute all vectors again with another embedder, without mixing the two.

The new vectors are written to pages of the next generation, which no search reads, one transaction
per batch: a run that was interrupted can be continued. Deleted and replaced memories leave these
pages as they leave the others. One last transaction, which locks out other writers, makes the next
generation the current one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from memorybank_core.bulk import batch_size, split, write_vectors
from memorybank_core.errors import StoreError
from memorybank_core.ingest import embed_windows
from memorybank_core.protocols import Embedder
from memorybank_core.stores.index.item_index import KEPT
from memorybank_core.stores.rules import FINGERPRINT, property_name

from .address import parse_address
from .connections import Connections, Options, Run, Session, connect
from .next_generation import Embedded, find_missing, read_intact, to_record, write_pages
from .pages import PAGE_SIZE
from .row_security import ALL_ROWS
from .schema import SET_META, TAKE_LOCK, read_layout
from .statements import Statement

_SMALL_PASS = PAGE_SIZE  # memories that may remain for the last transaction
_MAX_PASSES = 5

_LOCK_WRITERS = Statement(
    "LOCK TABLE memorybank.users, memorybank.memories, memorybank.pages, memorybank.item_paths "
    "IN EXCLUSIVE MODE"
)
_GENERATION = Statement("SELECT value::integer FROM memorybank.meta WHERE name = 'generation'")
_NEXT_EMBEDDER = Statement("SELECT value FROM memorybank.meta WHERE name = 'next_embedder'")
_DELETE_GENERATION = "DELETE FROM memorybank.pages WHERE generation = %(generation)s"
_DROP_ITEM_VECTORS = Statement(
    "UPDATE memorybank.items SET vectors = NULL WHERE vectors IS NOT NULL"
)
_INVALIDATE_ITEMS = Statement(f"UPDATE memorybank.item_paths SET version = version + {KEPT + 1}")
_DELETE_NEXT_EMBEDDER = Statement(
    f"DELETE FROM memorybank.meta WHERE name IN ('next_embedder', '{property_name(FINGERPRINT)}')"
)


@dataclass(frozen=True, slots=True)
class _Target:
    """The embedder of the new vectors, and the generation of their pages."""

    embedder: Embedder
    generation: int


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
        StoreError: If the server cannot be reached, this role may not change the tables, or the
            bank was embedded by another call meanwhile.
    """
    address, options = parse_address(url), Options(2, timeout, statement_timeout=0)
    with connect(address, options) as db:
        layout = read_layout(db, address)
    connections = Connections(address, options, layout)
    run = partial(connections.run, scope=ALL_ROWS, writes=True)
    progress = progress or (lambda _: None)
    try:
        target = _Target(embedder, run(partial(_prepare, embedder=embedder)))
        done = 0
        for _ in range(_MAX_PASSES):
            count = _embed_missing(run, target, progress)
            done += count
            if count <= _SMALL_PASS:
                break
        return done + run(partial(_finish, target=target, progress=progress))
    finally:
        connections.close()


def _label(embedder: Embedder) -> str:
    return f"{embedder.name} {embedder.dimension}"


def _prepare(session: Session, embedder: Embedder) -> int:
    """Return the next generation; delete its pages if another embedder wrote them."""
    _, [(generation,)], next_embedder = session.execute(
        Statement(TAKE_LOCK), _GENERATION, _NEXT_EMBEDDER
    )
    if next_embedder != [(_label(embedder),)]:
        session.execute(
            Statement(_DELETE_GENERATION, {"generation": generation + 1}),
            Statement(SET_META, {"name": "next_embedder", "value": _label(embedder)}),
        )
    return int(generation) + 1


def _embed_missing(
    run: Run[Any], target: _Target, progress: Callable[[int], None], *, is_last: bool = False
) -> int:
    """Embed the memories that the next generation lacks; return how many.

    Args:
        run: Runs each read and each write in a transaction.
        target: The embedder and the generation.
        progress: Called with the number of memories just embedded.
        is_last: Whether all is one transaction: then nothing is written while texts are embedded.
    """

    def embedded() -> Iterator[Embedded]:
        for parts in find_missing(run, target.generation):
            memories = run(partial(read_intact, parts=parts))
            texts = [to_record(row).text for rows in memories for row in rows]
            pieces = split(texts, batch_size(target.embedder, len(texts) or 1))
            vectors = [
                matrix for piece in pieces for matrix in embed_windows(piece, target.embedder)
            ]
            yield parts, memories, vectors

    def write(batch: Embedded) -> int:
        run(partial(_write, target=target, embedded=batch))
        return len(batch[2])

    if not is_last:
        return write_vectors(embedded(), write, progress)
    done = 0
    for batch in embedded():
        done += write(batch)
        progress(len(batch[2]))
    return done


def _write(session: Session, target: _Target, embedded: Embedded) -> None:
    _check_target(session, target)
    write_pages(session, target.generation, embedded)


def _check_target(session: Session, target: _Target) -> None:
    """Keep other runs out until the transaction ends; check that none has taken over.

    Raises:
        StoreError: If one has.
    """
    _, next_embedder = session.execute(Statement(TAKE_LOCK), _NEXT_EMBEDDER)
    if next_embedder != [(_label(target.embedder),)]:
        raise StoreError("another call of reembed has embedded this bank, or began to, meanwhile")


def _finish(session: Session, target: _Target, progress: Callable[[int], None]) -> int:
    """Embed what was written meanwhile, and make the next generation the current one."""
    session.execute(_LOCK_WRITERS)
    _check_target(session, target)
    done = _embed_missing(lambda call: call(session), target, progress, is_last=True)
    properties = {
        "embedder": target.embedder.name,
        "dimension": target.embedder.dimension,
        "generation": target.generation,
    }
    session.execute(
        Statement(_DELETE_GENERATION, {"generation": target.generation - 1}),
        _DELETE_NEXT_EMBEDDER,
        _DROP_ITEM_VECTORS,
        _INVALIDATE_ITEMS,
        Statement(
            SET_META, [{"name": name, "value": str(properties[name])} for name in properties]
        ),
    )
    return done
