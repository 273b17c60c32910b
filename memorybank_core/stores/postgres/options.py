"""Options of the connections to a database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Options of the connections of a store.

    Attributes:
        pool_size: Maximum number of connections.
        timeout: Seconds in which a call must succeed, waiting and retries included.
        statement_timeout: Maximum seconds of one statement; 0 sets no limit.
        readonly: Whether calls that write are refused.
    """

    pool_size: int = 10
    timeout: float = 10.0
    statement_timeout: float = 30.0
    readonly: bool = False
