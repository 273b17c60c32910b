"""Run all checks of a bank, and repair what can be rebuilt from its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from memorybank_core.check_reports import CheckReport, Finding
from memorybank_core.digests.runner import load_digest_state
from memorybank_core.errors import EmbedderError, MemoryBankError
from memorybank_core.fingerprint import MIN_SIMILARITY, compare_fingerprint
from memorybank_core.protocols import Embedder, MemoryStore
from memorybank_core.protocols.inspection import StoreInspector

from .repair import repair_users
from .rows import UserRows, report_dates, report_rows
from .search import SAMPLES, report_search
from .users import report_users

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of two machines may differ."""


def check_bank(
    store: MemoryStore,
    embedder: Embedder,
    *,
    now: datetime,
    has_model: bool = False,
    repair: bool = False,
) -> CheckReport:
    """Check a bank; see `MemoryBank.check`.

    Args:
        store: The store of the bank.
        embedder: The embedder that wrote its vectors, or a placeholder.
        now: The time after which memories are dated in the future.
        has_model: Whether digests are made by a language model.
        repair: Whether to repair first, and then check again.
    """
    inspector: StoreInspector | None = getattr(store, "inspector", None)
    location = str(getattr(store, "path", "the bank"))
    repaired: list[str] = []
    if repair and inspector is not None:
        repaired = inspector.repair()
        users = list(_read_users(store, inspector, embedder.dimension, now))
        findings = [*report_rows(users), *report_search(store, users)]
        repaired += repair_users(inspector, embedder, findings)
    findings = list(_find(store, inspector, embedder, now, has_model))
    return CheckReport(location, tuple(findings), tuple(repaired))


def _find(
    store: MemoryStore,
    inspector: StoreInspector | None,
    embedder: Embedder,
    now: datetime,
    has_model: bool,
) -> Iterator[Finding]:
    if inspector is not None:
        yield from inspector.examine()
    yield from _guarded("embedder", lambda: _check_embedder(store, embedder))
    yield from _guarded("users", lambda: list(report_users(store.users())))
    if inspector is not None:
        yield from _guarded("rows", lambda: _check_rows(store, inspector, embedder, now))
    yield from _guarded("digests", lambda: list(_check_digests(store, has_model)))


def _guarded(check: str, run: Callable[[], list[Finding]]) -> list[Finding]:
    """Return the findings of a check, or that it failed."""
    try:
        return run()
    except (MemoryBankError, ValueError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        advice = "Deal with the other findings first."
        return [
            Finding(
                check,
                "error",
                f"the check failed: {reason}",
                advice,
                code="check_failed",
                values={"error": reason},
            )
        ]


def _read_users(
    store: MemoryStore, inspector: StoreInspector, dimension: int, now: datetime
) -> Iterator[UserRows]:
    for user_id in store.users():
        user = UserRows(user_id)
        for row in inspector.rows(user_id):
            user.add(row, dimension, now + CLOCK_TOLERANCE, SAMPLES)
        yield user


def _check_rows(
    store: MemoryStore, inspector: StoreInspector, embedder: Embedder, now: datetime
) -> list[Finding]:
    users = list(_read_users(store, inspector, embedder.dimension, now))
    return [*report_rows(users), *report_dates(users), *report_search(store, users)]


def _check_embedder(store: MemoryStore, embedder: Embedder) -> list[Finding]:
    """Compare the vectors of the embedder with the fingerprint in the bank."""
    name = embedder.name
    try:
        similarity = compare_fingerprint(store, embedder)
    except EmbedderError as error:
        message = f"the embedder {name!r} was not compared: {error}"
        advice = "Install the embedder to check that it still returns the vectors of this bank."
        values = {"name": name, "error": str(error)}
        code = "embedder_not_compared"
        return [Finding("embedder", "warning", message, advice, code=code, values=values)]
    values = {"name": name}
    if similarity is None:
        message = f"the bank has no fingerprint of its embedder {name!r} yet"
        return [Finding("embedder", "ok", message, code="embedder_unknown", values=values)]
    if similarity >= MIN_SIMILARITY:
        message = f"{name!r} returns the vectors that the bank was written with"
        return [Finding("embedder", "ok", message, code="embedder_ok", values=values)]
    message = f"{name!r} no longer returns the vectors of this bank (cosine {similarity:.3f})"
    advice = "Install the former version of the model, or run: memorybank reembed"
    values["similarity"] = f"{similarity:.3f}"
    return [Finding("embedder", "error", message, advice, code="embedder_changed", values=values)]


def _check_digests(store: MemoryStore, has_model: bool) -> Iterator[Finding]:
    stale = 0
    for user_id in store.users():
        try:
            count = len(list(load_digest_state(store, user_id).find_stale(has_model=has_model)))
        except (ValueError, TypeError, OverflowError) as error:
            message = f"user {user_id!r}: the digests cannot be compared: {error}"
            advice = "Deal with the damaged rows of this user first."
            yield Finding(
                "digests",
                "error",
                message,
                advice,
                user_id=user_id,
                code="digests_unreadable",
                values={"user": user_id, "error": str(error)},
            )
            continue
        if count:
            stale += count
            message = f"user {user_id!r}: {count:,} digests are missing or outdated"
            advice = "Run: memorybank summarize. Nothing is lost: digests are made from the turns."
            yield Finding(
                "digests",
                "warning",
                message,
                advice,
                user_id=user_id,
                code="digests_stale",
                values={"user": user_id, "count": count},
            )
    if not stale:
        yield Finding("digests", "ok", "all digests are up to date", code="digests_ok")
