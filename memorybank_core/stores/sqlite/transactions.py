"""Begin of a transaction that writes, with reports while another process holds the lock."""

from __future__ import annotations

import sqlite3
import time

from memorybank_core.concurrency import report_wait, reports_waits

_STEP = 1.0
"""Seconds between two reports."""


def begin_immediate(connection: sqlite3.Connection, timeout: float) -> None:
    """Begin a transaction that writes; while it waits for the lock, report the time left.

    Args:
        connection: The connection.
        timeout: Maximum seconds to wait for the lock.

    Raises:
        sqlite3.OperationalError: If another process holds the lock for longer.
    """
    deadline = time.monotonic() + timeout
    while reports_waits() and (left := deadline - time.monotonic()) > _STEP:
        connection.execute(f"PRAGMA busy_timeout = {round(_STEP * 1000)}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            report_wait(left - _STEP)
        else:
            return
    left = max(0.0, deadline - time.monotonic())
    connection.execute(f"PRAGMA busy_timeout = {round(left * 1000)}")
    connection.execute("BEGIN IMMEDIATE")
