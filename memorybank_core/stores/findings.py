"""Findings that the inspections of files and of databases share."""

from __future__ import annotations

from collections.abc import Mapping

from memorybank_core.check_reports import Finding
from memorybank_core.errors import StoreError

WRITE_OK = Finding("write", "ok", "a test write succeeded, and was undone", code="write_ok")


def report_orphans(counts: Mapping[str, int]) -> Finding:
    """Return the finding about rows that belong to no memory.

    Args:
        counts: Their number, by table.
    """
    orphans = {table: count for table, count in counts.items() if count}
    if not orphans:
        message = "every row belongs to a memory"
        return Finding("leftovers", "ok", message, code="leftovers_ok")
    rows = ", ".join(f"{count:,} of {table}" for table, count in orphans.items())
    return Finding(
        "leftovers",
        "warning",
        f"rows without a memory: {rows}",
        "Run the check with repair: these rows are deleted. No memory is.",
        True,
        code="leftovers_found",
        values={"rows": ", ".join(f"{table} {count:,}" for table, count in orphans.items())},
    )


def report_busy(error: StoreError) -> Finding:
    """Return the finding that a test write had to wait for too long."""
    values = {"error": str(error)}
    advice = "Check again later."
    return Finding("write", "warning", str(error), advice, code="write_busy", values=values)


def report_failure(check: str, error: StoreError, advice: str, code: str) -> Finding:
    """Return the finding that a check could not read or write the store."""
    return Finding(check, "error", str(error), advice, code=code, values={"error": str(error)})
