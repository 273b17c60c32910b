"""HTML of counts, settings, receipts of deletions and findings of a check."""

from __future__ import annotations

from pathlib import PurePath

from memorybank_core.bank import MemoryBank
from memorybank_core.check_reports import CheckReport, Finding
from memorybank_core.configuration import describe_law
from memorybank_core.forgetting import ForgettingLaw
from memorybank_core.locations import is_url, without_password
from memorybank_core.reports import DeletionReceipt, Stats
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import format_day, render_button, render_question

from .finding_strings import describe_finding, describe_repair

_RECEIPT_FIELDS = ("memories", "vectors", "recalls", "digests", "remaining")


def render_title(bank: MemoryBank, strings: Strings, *, write: bool) -> str:
    """Return the name of the page, the location of the bank, and whether it can be changed."""
    location = without_password(str(getattr(bank.store, "path", "")))
    name = location if is_url(location) else PurePath(location).name
    state = strings["writable" if write else "readonly"]
    return (
        '<div class="mb-title"><h1 class="mb-brand">Memory<i>Bank</i></h1>'
        f'<p class="mb-known mb-location" title="{escape(location)}">{escape(name)}</p>'
        f'<span class="mb-badge {"warning" if write else "ok"}">{escape(state)}</span></div>'
    )


def render_stats(stats: Stats, pinned: int | None, strings: Strings) -> str:
    """Return counts of a user as tiles.

    Args:
        stats: Counts of the user.
        pinned: Number of pinned memories; None if it is not known yet.
        strings: Texts of the page.
    """
    values = {
        "stat_memories": f"{stats.memories:,}",
        "stat_archived": f"{stats.archived:,}",
        "stat_pinned": "…" if pinned is None else f"{pinned:,}",
        "stat_recalls": f"{stats.recalls:,}",
    }
    tiles = "".join(
        f"<div><dd>{escape(value)}</dd><dt>{escape(strings[name])}</dt></div>"
        for name, value in values.items()
    )
    span = ""
    if stats.first_day and stats.last_day:
        days = format_day(stats.first_day, strings), format_day(stats.last_day, strings)
        text = strings["range"].format(first=days[0], last=days[1])
        span = f'<p class="mb-known">{escape(text)}</p>'
    return f'<dl class="mb-tiles">{tiles}</dl>{span}'


def render_settings(bank: MemoryBank, file_bytes: int, strings: Strings) -> str:
    """Return the settings of the bank."""
    values = {
        "embedder": bank.embedder.name,
        "law": _describe_law(bank.law, strings),
        "timezone": bank.timezone.key,
        "language": strings[f"language_{bank.language}"],
        "size": f"{file_bytes / 2**20:,.1f} MB",
    }
    rows = "".join(
        f"<div><dt>{escape(strings[name])}</dt><dd>{escape(value)}</dd></div>"
        for name, value in values.items()
    )
    return f'<dl class="mb-fields mb-settings">{rows}</dl>'


def _describe_law(law: ForgettingLaw, strings: Strings) -> str:
    """Return name and parameters of a law of forgetting."""
    name, _, parameters = describe_law(law).partition(" ")
    return f"{strings.get(f'law_{name}', name)} {parameters}".strip()


def render_user_deletion(user_id: str, strings: Strings, *, is_confirming: bool) -> str:
    """Return the button that deletes everything of a user, or its question."""
    if is_confirming:
        return render_question(user_id, strings["sure_user"].format(user=user_id), strings)
    return f'<div class="mb-actions">{render_button("delete_user", user_id, strings)}</div>'


def render_receipt(receipt: DeletionReceipt, strings: Strings) -> str:
    """Return the receipt of a deletion."""
    rows = "".join(
        f"<div><dd>{getattr(receipt, name):,}</dd>"
        f"<dt>{escape(strings[f'receipt_{name}'])}</dt></div>"
        for name in _RECEIPT_FIELDS
    )
    title = escape(strings["receipt"].format(user=receipt.user_id))
    erased = escape(strings["erased" if receipt.erased else "not_erased"])
    return (
        f'<div class="mb-notice mb-receipt" role="status"><p><b>{title}</b></p>'
        f'<dl class="mb-tiles">{rows}</dl><p class="mb-known">{erased}</p></div>'
    )


def render_check(
    report: CheckReport | None, strings: Strings, language: str, *, write: bool
) -> str:
    """Return the findings of a check, and the buttons that check and repair."""
    buttons = render_button("check", "", strings)
    if report is None:
        hint = f'<p class="mb-known">{escape(strings["check_hint"])}</p>'
        return f'<div class="mb-actions">{buttons}</div>{hint}'
    if write and any(finding.repairable for finding in report.findings):
        buttons += render_button("repair", "", strings)
    counts = {"errors": len(report.errors), "warnings": len(report.warnings)}
    text = strings["check_found" if any(counts.values()) else "check_ok"].format(**counts)
    what = [describe_repair(text, language) for text in report.repaired]
    repaired = "".join(
        f'<p class="mb-known">{escape(strings["repaired"].format(what=text))}</p>' for text in what
    )
    findings = "".join(_render_finding(finding, strings, language) for finding in report.findings)
    return (
        f'<div class="mb-found"><p class="mb-lead">{escape(text)}</p>'
        f'<div class="mb-actions">{buttons}</div></div>{repaired}'
        f'<ul class="mb-findings">{findings}</ul>'
    )


def _render_finding(finding: Finding, strings: Strings, language: str) -> str:
    check, message, advice = describe_finding(finding, language)
    severity = escape(strings[f"severity_{finding.severity}"])
    below = f'<p class="mb-known">{escape(advice)}</p>' if advice else ""
    return (
        f'<li><span class="mb-badge {finding.severity}">{severity}</span>'
        f"<div><p><b>{escape(check)}</b> {escape(message)}</p>{below}</div></li>"
    )
