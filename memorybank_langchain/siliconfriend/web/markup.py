"""HTML of the memories. Texts of users and models are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import date, datetime
from itertools import groupby

from memorybank_core import Context, Digest, Memory, MemoryBank, Portrait, SearchResult
from memorybank_core.forgetting import THRESHOLD, fades_at, retention_of
from memorybank_core.search.score_strings import SCORE_STRINGS
from memorybank_langchain.siliconfriend.digest_text import text_for_user

from .curves import draw_curve
from .html_text import Strings, escape

ACTIONS = ("strengthen", "pin", "unpin", "forget", "restore")
"""Actions that run immediately; a deletion must be confirmed first."""


def format_day(day: date, strings: Strings) -> str:
    """Format a day in the language of the page."""
    month = strings["months"].split()[day.month - 1]
    return strings["date"].format(day=day.day, month=month, year=day.year)


def render_empty(text: str) -> str:
    """Return a placeholder for empty content."""
    return f'<p class="sf-empty">{escape(text)}</p>'


def render_notice(text: str, button: str = "") -> str:
    """Return a message about the last action, with a button; "" for an empty text."""
    return f'<div class="sf-notice"><span>{escape(text)}</span>{button}</div>' if text else ""


def render_head(user: str, turns: int, first_day: date | None, strings: Strings) -> str:
    """Return a greeting, with the number of turns that are remembered and the day of the first."""
    greeting = strings["hello_again" if turns else "hello"].format(name=user)
    known = ""
    if turns and first_day:
        template = strings["known_one" if turns == 1 else "known"]
        known = template.format(count=turns, day=format_day(first_day, strings))
    return f'<h1 class="sf-hello">{escape(greeting)}</h1><p class="sf-known">{escape(known)}</p>'


def render_recalled(context: Context | None, strings: Strings, language: str) -> str:
    """Return the memories recalled for the last answer, with the parts of their scores."""
    if context is None:
        return render_empty(strings["recalled_none"])
    if not context.results:
        return render_empty(strings["recalled_nothing"])
    cards = "".join(_render_result(result, strings, language) for result in context.results)
    more = strings["left_out"].format(count=len(context.left_out)) if context.left_out else ""
    label = escape(strings["recalled"])
    return (
        f'<div class="sf-list" tabindex="0" role="region" aria-label="{label}">{cards}</div>'
        f"{render_notice(more)}"
    )


def _render_result(result: SearchResult, strings: Strings, language: str) -> str:
    memory, names = result.memory, SCORE_STRINGS[language]
    parts = "".join(
        f'<span class="sf-part{" minus" if part < 0 else ""}">{escape(names[name])} '
        f"<b>{part:+.2f}</b></span>"
        for name, part in asdict(result.parts).items()
        if abs(part) >= 0.005
    )
    return (
        f'<article class="sf-memory"><header><time>{escape(format_day(memory.day, strings))}</time>'
        f'<span class="sf-score">{escape(strings["score"])} {result.score:.2f}</span></header>'
        f'{_render_lines(memory, strings)}<div class="sf-parts">{parts}</div>'
        f"{_render_bar(result.retention, strings)}</article>"
    )


def render_timeline(
    memories: Iterable[Memory],
    bank: MemoryBank,
    now: datetime,
    strings: Strings,
    *,
    more: bool,
    open_id: str | None = None,
    confirming: str | None = None,
) -> str:
    """Return memories by day, latest first, each with its forgetting curve and buttons.

    Args:
        memories: The memories to show.
        bank: Bank that holds them.
        now: Present time.
        strings: Texts of the page.
        more: Whether to add a button that shows earlier memories.
        open_id: Id of the memory that is shown expanded.
        confirming: Id of the memory whose deletion must be confirmed.
    """
    latest = sorted(memories, key=lambda memory: (memory.created_at, memory.id), reverse=True)
    if not latest:
        return render_empty(strings["timeline_none"])
    days = "".join(
        f'<h3 class="sf-day">{escape(format_day(day, strings))}</h3>'
        + "".join(
            _render_card(
                memory,
                bank,
                now,
                strings,
                is_open=memory.id in (open_id, confirming),
                is_confirming=memory.id == confirming,
            )
            for memory in memories_of_day
        )
        for day, memories_of_day in groupby(latest, key=lambda memory: memory.day)
    )
    button = render_button("more", "", strings) if more else ""
    return f'<div class="sf-list">{days}{button}</div>'


def _render_card(
    memory: Memory,
    bank: MemoryBank,
    now: datetime,
    strings: Strings,
    *,
    is_open: bool,
    is_confirming: bool,
) -> str:
    recalls = {0: "recalls_none", 1: "recalls_one"}.get(memory.recalls, "recalls")
    buttons = "".join(render_button(action, memory.id, strings) for action in _list_actions(memory))
    actions = f'<div class="sf-actions">{buttons}</div>'
    if is_confirming:
        actions = render_question(memory.id, strings["sure"], strings)
    css_class = " archived" if memory.archived_at else ""
    open_attribute = " open" if is_open else ""
    pin = f'<span class="sf-pin">{escape(strings["is_pinned"])}</span>' if memory.pinned else ""
    bar = _render_bar(retention_of(memory, bank.law, now), strings)
    return (
        f'<details class="sf-memory{css_class}"{open_attribute}><summary>{pin}'
        f"{_render_lines(memory, strings)}{bar}</summary>"
        f"{_render_curve(memory, bank, now, strings)}"
        f'<p class="sf-known">{escape(strings[recalls].format(count=memory.recalls))} · '
        f"{escape(strings['strength'])} {memory.strength:.3g}</p>"
        f"{actions}</details>"
    )


def _list_actions(memory: Memory) -> tuple[str, ...]:
    """Return the actions that are possible for a memory in its present state."""
    if memory.archived_at:
        return ("restore", "pin", "delete")
    if memory.pinned:
        return ("strengthen", "unpin", "delete")
    return ("strengthen", "pin", "forget", "delete")


def _render_curve(memory: Memory, bank: MemoryBank, now: datetime, strings: Strings) -> str:
    """Return the forgetting curve of a memory, or a note that it is pinned."""
    if memory.pinned:
        return f'<p class="sf-known">{escape(strings["no_curve"])}</p>'
    recalls = bank.recalls(memory.id, user_id=memory.user_id) if memory.recalls else []
    fades = fades_at(memory, bank.law, THRESHOLD)
    share = f"{retention_of(memory, bank.law, now):.0%}"
    labels = {
        "title": escape(strings["curve"].format(share=share)),
        "start": escape(format_day(bank.day_of(memory.created_at), strings)),
        "until": escape(format_day(bank.day_of(fades), strings)) if fades else "",
        "now": escape(strings["now"]),
        "threshold": escape(strings["threshold"]),
    }
    return draw_curve(memory, recalls, bank.law, now, labels)


def _render_lines(memory: Memory, strings: Strings) -> str:
    """Return the lines of a turn with their speakers, or the summary of a day."""
    lines = [(strings["event"], memory.text)]
    if memory.turn is not None:
        lines = [(strings["you"], memory.turn.query), (strings["companion"], memory.turn.response)]
    return "".join(
        f'<p class="sf-said"><b>{escape(name)}</b> {escape(text)}</p>'
        for name, text in lines
        if text.strip()
    )


def _render_bar(retention: float, strings: Strings) -> str:
    """Return the retention as a bar."""
    share = min(max(retention, 0.0), 1.0)
    label = f"{escape(strings['retention'])} {share:.0%}"
    return (
        f'<div class="sf-left" role="img" aria-label="{label}" title="{label}">'
        f'<i style="width:{share:.0%}"></i></div>'
    )


def render_button(action: str, target: str, strings: Strings) -> str:
    """Return a button that sends `action` and the id of its target to the server."""
    return (
        f'<button type="button" class="sf-do {action}" data-do="{action}" '
        f'data-id="{escape(target)}">{escape(strings[action])}</button>'
    )


def render_question(target: str, question: str, strings: Strings) -> str:
    """Return the question before a deletion, which stands in place of the buttons."""
    buttons = "".join(render_button(action, target, strings) for action in ("cancel", "confirm"))
    label = escape(question)
    return (
        f'<div class="sf-question" role="group" aria-label="{label}"><p>{label}</p>'
        f'<div class="sf-actions">{buttons}</div></div>'
    )


def render_digests(digests: list[Digest], strings: Strings) -> str:
    """Return the portrait, the overall summary, and the digests of days, latest first."""
    if not digests:
        return render_empty(strings["digest_none"])
    overall = sorted((digest for digest in digests if digest.day is None), key=_is_summary)
    daily = [digest for digest in digests if digest.day is not None]
    daily.sort(key=lambda digest: (digest.day or date.min, not _is_summary(digest)), reverse=True)
    parts = [_render_digest(digest, strings[_digest_kind(digest)], strings) for digest in overall]
    if daily:
        days = "".join(
            _render_digest(digest, _format_daily_title(digest, strings), strings)
            for digest in daily
        )
        parts.append(f'<details class="sf-days"><summary>{escape(strings["days"])}</summary>{days}')
        parts.append("</details>")
    return f'<div class="sf-list">{"".join(parts)}</div>'


def _is_summary(digest: Digest) -> bool:
    return not isinstance(digest, Portrait)


def _digest_kind(digest: Digest) -> str:
    return "portrait" if isinstance(digest, Portrait) else "summary"


def _format_daily_title(digest: Digest, strings: Strings) -> str:
    day = format_day(digest.day, strings) if digest.day else ""
    return f"{day} · {strings[_digest_kind(digest)]}"


def _render_digest(digest: Digest, title: str, strings: Strings) -> str:
    author = strings["made_by"].format(model=digest.made_by) if digest.made_by else ""
    source = strings["extractive"] if digest.is_extractive else author
    return (
        f'<article class="sf-memory"><h3>{escape(title)}</h3>'
        f'<p class="sf-said">{escape(text_for_user(digest))}</p>'
        f'<p class="sf-known">{escape(source)}</p></article>'
    )
