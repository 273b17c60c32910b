"""Work on many memories: while one batch is written, the next one is read or embedded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from .errors import MemoryBankError
from .protocols import Embedder

BATCH = 256
"""Default number of memories written in one transaction."""

B = TypeVar("B")
R = TypeVar("R")
T = TypeVar("T")


def overlap(batches: Iterable[B], process: Callable[[B], R], done: Callable[[R], object]) -> None:
    """Process each batch in a second thread, while this thread makes the next one.

    The batches are processed one at a time, in order; at most two are in memory. `batches` and
    `done` run in the calling thread, so that Ctrl-C stops an embedder. An error in either thread
    ends the run after the batch in progress. The second thread has ended when this returns.

    Args:
        batches: Makes the batches, for example by embedding texts.
        process: Processes a batch, for example by writing it in one transaction.
        done: Called with the result of each `process`.
    """
    pending: list[Future[R]] = []
    with ThreadPoolExecutor(1, "memorybank-bulk") as thread:
        try:
            for batch in batches:
                if pending:
                    done(pending.pop().result())
                pending.append(thread.submit(copy_context().run, process, batch))
        finally:
            if pending:
                done(pending.pop().result())


def write_vectors(
    batches: Iterable[B], write: Callable[[B], int], progress: Callable[[int], None]
) -> int:
    """Write the batches of a `reembed` while the next is embedded; return how many memories.

    Args:
        batches: Makes the batches by embedding memories.
        write: Writes a batch and returns its number of memories.
        progress: Called with that number.

    Raises:
        MemoryBankError: If a batch cannot be made or written; the message says how to continue.
    """
    done = 0

    def count(written: int) -> None:
        nonlocal done
        done += written
        progress(written)

    try:
        overlap(batches, write, count)
    except MemoryBankError as error:
        add_advice(
            error,
            f"The bank is unchanged; the new vectors of {done:,} memories are kept: reembed it "
            "with the same embedder again to continue.",
        )
        raise
    return done


def split(items: Sequence[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items; the last one may be shorter."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def batch_size(embedder: Embedder, limit: int) -> int:
    """Return how many texts to embed in one call: `embedder.batch_size` if set, at most `limit`."""
    return min(getattr(embedder, "batch_size", None) or limit, limit)


def add_advice(error: MemoryBankError, advice: str) -> None:
    """Append to the message of `error` what is stored already and how to go on."""
    error.args = (f"{str(error).removesuffix(' Nothing was stored.')} {advice}",)
