"""HTML of the digests of a user, with the texts they were made from and what is stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from memorybank_core.bank import MemoryBank
from memorybank_core.digests.state import DigestState
from memorybank_core.records import Digest, DigestKind, Memory
from memorybank_core.web.cards import render_lines
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import format_day, render_button, render_empty

DAYS_PER_PAGE = 10
_KINDS: tuple[DigestKind, ...] = ("portrait", "summary")
_MOST_TURNS = 6
"""Number of turns shown as the source of a day's digests."""


def render_digests(
    state: DigestState, page: int, bank: MemoryBank, strings: Strings, *, write: bool
) -> str:
    """Return the overall digests, and a page of those of days, latest first.

    Args:
        state: The digests of the user, and their sources.
        page: Number of the page, from 0.
        bank: Bank that holds them.
        strings: Texts of the page.
        write: Whether there is a button that makes what is missing or stale.
    """
    days = sorted(state.turns.keys() | {day for _, day in state.digests if day}, reverse=True)
    if not days and not state.digests:
        return render_empty(strings["digests_none"])
    has_model = bank.llm is not None
    reasons = {
        (stale.kind, stale.day): stale.reason for stale in state.find_stale(has_model=has_model)
    }
    start = page * DAYS_PER_PAGE
    parts = [_render_head(len(reasons), strings, write=write)]
    sections: list[date | None] = [None] if page == 0 else []
    sections += days[start : start + DAYS_PER_PAGE]
    parts += [_render_section(day, state, reasons, bank, strings) for day in sections]
    pages = range(-(-len(days) // DAYS_PER_PAGE))
    parts.append(_render_pager(page, pages, strings))
    return f'<div class="mb-list">{"".join(parts)}</div>'


def _render_head(stale: int, strings: Strings, *, write: bool) -> str:
    text = strings["stale_count"].format(count=f"{stale:,}") if stale else strings["stale_none"]
    button = render_button("summarize", "", strings) if stale and write else ""
    return f'<div class="mb-found"><p class="mb-lead">{escape(text)}</p>{button}</div>'


def _render_section(
    day: date | None,
    state: DigestState,
    reasons: Mapping[tuple[DigestKind, date | None], str],
    bank: MemoryBank,
    strings: Strings,
) -> str:
    """Return both digests of a day, or the overall ones, and their source."""
    title = format_day(day, strings) if day else strings["overall"]
    digests = "".join(
        _render_digest(
            strings[kind], state.digests.get((kind, day)), reasons.get((kind, day)), bank, strings
        )
        for kind in _KINDS
    )
    source = _render_turns(day, state.turns.get(day, []), strings) if day else ""
    if day is None:
        count = len(state.source("summary", None))
        key = "from_days_one" if count == 1 else "from_days"
        source = f'<p class="mb-known">{escape(strings[key].format(count=f"{count:,}"))}</p>'
    return (
        f'<section class="mb-memory mb-digest"><h2 class="mb-day">{escape(title)}</h2>'
        f"{digests}{source}</section>"
    )


def _render_digest(
    name: str, digest: Digest | None, reason: str | None, bank: MemoryBank, strings: Strings
) -> str:
    state, text, author = reason or "ok", strings["no_digest"], ""
    if digest is not None:
        text = digest.text
        made_by = strings["made_by"].format(model=digest.made_by) if digest.made_by else ""
        day = format_day(bank.day_of(digest.made_at), strings)
        notes = [strings["extractive"] if digest.is_extractive else made_by]
        notes.append(strings["made_on"].format(day=day))
        author = " · ".join(filter(None, notes))
    badge = escape(strings[f"state_{state}"])
    return (
        f'<div class="mb-part-of"><h3>{escape(name)} <span class="mb-badge {state}">{badge}</span>'
        f'</h3><p class="mb-said" tabindex="0">{escape(text)}</p>'
        f'<p class="mb-known">{escape(author)}</p></div>'
    )


def _render_turns(day: date, turns: Sequence[Memory], strings: Strings) -> str:
    """Return the turns of a day, behind a line with their number."""
    key = "from_turns_one" if len(turns) == 1 else "from_turns"
    label = escape(strings[key].format(count=f"{len(turns):,}"))
    lines = "".join(render_lines(turn, strings) for turn in turns[:_MOST_TURNS])
    more = ""
    if len(turns) > _MOST_TURNS:
        text = strings["more_turns"].format(count=f"{len(turns) - _MOST_TURNS:,}")
        more = f'<p class="mb-known">{escape(text)}</p>'
    button = render_button("jump", day.isoformat(), strings)
    return (
        f'<details class="mb-sources"><summary>{label}</summary>{lines}{more}'
        f'<div class="mb-actions">{button}</div></details>'
    )


def _render_pager(page: int, pages: range, strings: Strings) -> str:
    if len(pages) < 2:
        return ""
    newer = render_button("newer_days", "", strings) if page > 0 else ""
    older = render_button("older_days", "", strings) if page < pages[-1] else ""
    label = escape(strings["page"].format(number=page + 1))
    return f'<nav class="mb-pager" aria-label="{label}">{newer}<span>{label}</span>{older}</nav>'
