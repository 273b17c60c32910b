"""HTML of the memories. Texts of users and models are escaped."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from itertools import groupby

from memorybank_core import Context, Digest, Memory, MemoryBank, Portrait, SearchResult
from memorybank_core.web.cards import (
    CardOptions,
    longest_part,
    render_bar,
    render_card,
    render_lines,
    render_parts,
)
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import format_day, render_button, render_empty, render_notice
from memorybank_langchain.siliconfriend.digest_text import text_for_user

ACTIONS = ("strengthen", "pin", "unpin", "forget", "restore")
"""Actions that run immediately; a deletion must be confirmed first."""


def render_head(user: str, turns: int, first_day: date | None, strings: Strings) -> str:
    """Return a greeting, with the number of turns that are remembered and the day of the first."""
    greeting = strings["hello_again" if turns else "hello"].format(name=user)
    known = ""
    if turns and first_day:
        template = strings["known_one" if turns == 1 else "known"]
        known = template.format(count=turns, day=format_day(first_day, strings))
    return f'<h1 class="mb-hello">{escape(greeting)}</h1><p class="mb-known">{escape(known)}</p>'


def render_recalled(context: Context | None, strings: Strings, language: str) -> str:
    """Return the memories recalled for the last answer, with the parts of their scores."""
    if context is None:
        return render_empty(strings["recalled_none"])
    if not context.results:
        return render_empty(strings["recalled_nothing"])
    scale = longest_part(context.results)
    cards = "".join(_render_result(result, strings, language, scale) for result in context.results)
    more = strings["left_out"].format(count=len(context.left_out)) if context.left_out else ""
    label = escape(strings["recalled"])
    return (
        f'<div class="mb-list" tabindex="0" role="region" aria-label="{label}">{cards}</div>'
        f"{render_notice(more)}"
    )


def _render_result(result: SearchResult, strings: Strings, language: str, scale: float) -> str:
    memory = result.memory
    return (
        f'<article class="mb-memory"><header><time>{escape(format_day(memory.day, strings))}</time>'
        f'<span class="mb-score">{escape(strings["score"])} {result.score:.2f}</span></header>'
        f"{render_lines(memory, strings)}{render_parts(result, language, scale)}"
        f"{render_bar(result.retention, strings)}</article>"
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
        f'<h3 class="mb-day">{escape(format_day(day, strings))}</h3>'
        + "".join(
            render_card(
                memory,
                bank,
                now,
                strings,
                CardOptions(
                    actions=_list_actions(memory),
                    question=strings["sure"] if memory.id == confirming else "",
                    is_open=memory.id in (open_id, confirming),
                ),
            )
            for memory in memories_of_day
        )
        for day, memories_of_day in groupby(latest, key=lambda memory: memory.day)
    )
    button = render_button("more", "", strings) if more else ""
    return f'<div class="mb-list">{days}{button}</div>'


def _list_actions(memory: Memory) -> tuple[str, ...]:
    """Return the actions that are possible for a memory in its present state."""
    if memory.archived_at:
        return ("restore", "pin", "delete")
    if memory.pinned:
        return ("strengthen", "unpin", "delete")
    return ("strengthen", "pin", "forget", "delete")


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
        parts.append(f'<details class="mb-days"><summary>{escape(strings["days"])}</summary>{days}')
        parts.append("</details>")
    return f'<div class="mb-list">{"".join(parts)}</div>'


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
        f'<article class="mb-memory"><h3>{escape(title)}</h3>'
        f'<p class="mb-said">{escape(text_for_user(digest))}</p>'
        f'<p class="mb-known">{escape(source)}</p></article>'
    )
