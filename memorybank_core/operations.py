"""The operations of a bank that are observed, and the counts that are shown of their results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from .context import Context
from .observation import Operation, observed
from .reports import (
    AddReceipt,
    ChangeReport,
    ConfigurationReport,
    DeletionReceipt,
    ExpiryReport,
    ForgetReport,
    SummarizeReport,
)
from .telemetry import Value

if TYPE_CHECKING:
    from .turns.pending_turn import PendingTurn

C = TypeVar("C", bound=type)
Values = Mapping[str, Value | None]


def _describe_receipt(receipt: AddReceipt) -> Values:
    names = ("added", "unchanged", "replaced", "updated")
    return {"memories": len(receipt.ids)} | {name: getattr(receipt, name) for name in names}


def _describe_context(context: Context) -> Values:
    return {"memories": len(context.results), "tokens": context.tokens}


def _describe_begun_turn(turn: PendingTurn) -> Values:
    return {**_describe_context(turn.context), "is_stored": turn.is_stored}


def _describe_digests(report: SummarizeReport) -> Values:
    names = ("digested", "skipped", "waiting", "calls", "tokens")
    return {"failed": len(report.failed)} | {name: getattr(report, name) for name in names}


def _describe_changes(report: ChangeReport) -> Values:
    values = {"recorded": len(report.recorded), "failed": len(report.failed)}
    return values | {name: getattr(report, name) for name in ("read", "calls", "tokens")}


def _describe_forgotten(report: ForgetReport) -> Values:
    faded = len(report.forgotten)
    values = {"faded": faded, "kept": report.kept, "dry_run": report.dry_run}
    return {"memories": 0 if report.dry_run else faded, **values}


def _describe_deletion(receipt: DeletionReceipt) -> Values:
    names = ("memories", "digests", "remaining", "erased")
    return {name: getattr(receipt, name) for name in names}


def _describe_expiry(reports: Sequence[ExpiryReport]) -> Values:
    erased = sum(report.receipt.memories for report in reports if report.receipt)
    expired = sum(len(report.ids) for report in reports)
    return {"memories": erased, "expired": expired, "users": len(reports)}


def _describe_configuration(report: ConfigurationReport) -> Values:
    return {"moved": report.moved, "stale": report.stale}


def _describe_count(count: int) -> Values:
    return {"memories": count}


_UPSERT, _UPDATE, _DELETE = "upsert_memory", "update_memory", "delete_memory"
_UPDATING = Operation(_describe_count, _UPDATE)
_OPERATIONS = {
    "add": Operation(_describe_receipt, _UPSERT),
    "add_memories": Operation(_describe_receipt, _UPSERT),
    "search": Operation(lambda results: {"memories": len(results)}, "search_memory"),
    "context": Operation(_describe_context),
    "begin_turn": Operation(_describe_begun_turn),
    "reinforce": _UPDATING,
    "summarize": Operation(_describe_digests),
    "rebuild": Operation(_describe_digests),
    "find_changes": Operation(_describe_changes),
    "forget": Operation(_describe_forgotten, _UPDATE),
    "archive": _UPDATING,
    "restore": _UPDATING,
    "pin": _UPDATING,
    "unpin": _UPDATING,
    "delete": Operation(_describe_deletion, _DELETE),
    "expire": Operation(_describe_expiry, _DELETE),
    "configure": Operation(_describe_configuration),
}
"""By the name of the method of `MemoryBank`."""

COMPLETE_TURN = Operation(_describe_receipt)
"""`PendingTurn.complete`."""


def observe_operations(cls: C) -> C:
    """Let the methods of a class that are operations be observed."""
    for name, operation in _OPERATIONS.items():
        setattr(cls, name, observed(name, operation)(getattr(cls, name)))
    return cls
