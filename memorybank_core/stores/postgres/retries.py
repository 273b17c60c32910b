"""Retry calls that collided with others or lost their connection."""

from __future__ import annotations

import random
import time

from psycopg_pool import PoolTimeout

from .address import Address
from .errors import COLLISIONS, is_lost, translate

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5  # seconds


class Retries:
    """Waiting times between the attempts at one call, until its timeout.

    Attributes:
        is_lost: Whether the last attempt ended because the connection was lost.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._address, self._timeout = address, timeout
        self._deadline = time.monotonic() + timeout
        self._wait = _FIRST_WAIT
        self.is_lost = False

    @property
    def seconds_left(self) -> float:
        """Seconds until the timeout, at least 0.01."""
        return max(self._deadline - time.monotonic(), 0.01)

    def next_wait(self, error: BaseException, *, in_doubt: bool = False) -> float:
        """Return how many seconds to wait before the next attempt.

        Args:
            error: The error of the last attempt.
            in_doubt: Whether an earlier attempt may have been committed.

        Raises:
            MemoryBankError: If another attempt cannot help, or the timeout has passed.
        """
        self.is_lost = is_lost(error)
        can_retry = self.is_lost or isinstance(error, (*COLLISIONS, PoolTimeout))
        if not can_retry or time.monotonic() + self._wait > self._deadline:
            raise translate(error, self._address, self._timeout, in_doubt=in_doubt) from error
        wait, self._wait = self._wait, min(2 * self._wait, _LONGEST_WAIT)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - separates calls that collided
