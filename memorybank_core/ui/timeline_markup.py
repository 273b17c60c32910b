"""HTML of the timeline, of search results, and of the strip of days above them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from memorybank_core.bank import MemoryBank
from memorybank_core.forgetting import retention_of
from memorybank_core.records import Memory, SearchResult
from memorybank_core.web.cards import CardOptions, longest_part, render_card, render_parts
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import (
    format_day,
    render_button,
    render_empty,
    render_question,
)

_MAX_BARS = 60


@dataclass(frozen=True, slots=True)
class TimelineOptions:
    """Options of a timeline.

    Attributes:
        bank: Bank that holds the memories.
        now: Present time.
        strings: Texts of the page.
        write: Whether there are buttons for changes.
        open_id: Id of the memory that is shown expanded.
        confirming: Kind ("memory" or "day") and id of what is deleted once confirmed.
    """

    bank: MemoryBank
    now: datetime
    strings: Strings
    write: bool
    open_id: str = ""
    confirming: tuple[str, str] = ("", "")


def render_timeline(memories: Sequence[Memory], options: TimelineOptions) -> str:
    """Return memories, newest first, under the days on which they were said."""
    if not memories:
        return render_empty(options.strings["timeline_none"])
    days = "".join(
        _render_day_head(day, options)
        + "".join(_render_memory(memory, options) for memory in memories_of_day)
        for day, memories_of_day in groupby(memories, key=lambda memory: memory.day)
    )
    return f'<div class="mb-list">{days}</div>'


def render_results(
    query: str, results: Sequence[SearchResult], options: TimelineOptions, language: str
) -> str:
    """Return search results, best first, with a bar for each part of their scores."""
    strings = options.strings
    template = strings["found" if results else "found_none"]
    head = escape(template.format(count=len(results), query=query))
    back = render_button("clear", "", strings)
    scale = longest_part(results)
    cards = "".join(_render_result(result, options, language, scale) for result in results)
    return (
        f'<div class="mb-found"><p class="mb-known">{head}</p>{back}</div>'
        f'<div class="mb-list">{cards}</div>'
    )


def render_failed_search(reason: str, strings: Strings) -> str:
    """Return why a search failed, and the way back to the timeline."""
    back = render_button("clear", "", strings)
    text = f'<p class="mb-lead" role="alert">{escape(reason)}</p>'
    return f'<div class="mb-found">{text}{back}</div>'


def render_fading(
    memories: Sequence[Memory], times: Sequence[datetime], options: TimelineOptions
) -> str:
    """Return memories with the days on which they fade, in the order given."""
    cards = []
    for memory, time in zip(memories, times, strict=True):
        key = "fades_on" if time > options.now else "faded_on"
        day = format_day(options.bank.day_of(time), options.strings)
        label = options.strings[key].format(day=day)
        cards.append(_render_memory(memory, options, badge=label, with_day=True))
    return f'<div class="mb-list">{"".join(cards)}</div>'


def _render_day_head(day: date, options: TimelineOptions) -> str:
    strings, label = options.strings, format_day(day, options.strings)
    button = question = ""
    if options.write:
        button = render_button("delete_day", day.isoformat(), strings)
        if options.confirming == ("day", day.isoformat()):
            sure = strings["sure_day"].format(day=label)
            question = render_question(day.isoformat(), sure, strings)
    return (
        f'<div class="mb-day-head"><h2 class="mb-day">{escape(label)}</h2>{button}</div>{question}'
    )


def _render_memory(
    memory: Memory,
    options: TimelineOptions,
    *,
    badge: str = "",
    scores: str = "",
    with_day: bool = False,
) -> str:
    strings, is_confirming = options.strings, options.confirming == ("memory", memory.id)
    return render_card(
        memory,
        options.bank,
        options.now,
        strings,
        CardOptions(
            actions=_list_actions(memory) if options.write else (),
            question=strings["sure"] if is_confirming else "",
            is_open=is_confirming or memory.id == options.open_id,
            header=_render_head(memory, options, badge, with_day=with_day),
            scores=scores,
            details=_render_details(memory, strings),
        ),
    )


def _list_actions(memory: Memory) -> tuple[str, ...]:
    """Return the actions that are possible for a memory in its present state."""
    if memory.archived_at:
        return ("restore", "pin", "delete")
    if memory.pinned:
        return ("strengthen", "unpin", "delete")
    return ("strengthen", "pin", "archive", "delete")


def _render_result(
    result: SearchResult, options: TimelineOptions, language: str, scale: float
) -> str:
    strings = options.strings
    notes = [
        strings["relevance"].format(share=f"{result.relevance:.0%}"),
        f"{strings['score']} {result.score:.2f}",
    ]
    if result.times > 1:
        notes.append(strings["said"].format(count=result.times))
    if result.superseded_by:
        day = format_day(result.superseded_by.day, strings)
        notes.append(strings["superseded"].format(day=day))
    scores = render_parts(result, language, scale)
    return _render_memory(
        result.memory, options, badge=" · ".join(notes), scores=scores, with_day=True
    )


def _render_head(memory: Memory, options: TimelineOptions, badge: str, *, with_day: bool) -> str:
    """Return the time of a memory, a badge, whether it is archived, and its retention."""
    strings = options.strings
    time = memory.created_at.astimezone(options.bank.timezone)
    label = f"{time:%H:%M}"
    if with_day:
        label = f"{format_day(memory.day, strings)} {label}"
    archived = ""
    if memory.archived_at:
        day = format_day(options.bank.day_of(memory.archived_at), strings)
        archived = f'<span class="mb-badge">{escape(strings["kept_since"].format(day=day))}</span>'
    retention = retention_of(memory, options.bank.law, options.now)
    note = f'<span class="mb-badge mb-note">{escape(badge)}</span>' if badge else ""
    return (
        f'<p class="mb-head"><time datetime="{memory.created_at.isoformat()}">{escape(label)}'
        f"</time>{note}{archived}"
        f'<span class="mb-share">{escape(strings["retention"])} {retention:.0%}</span></p>'
    )


def _render_details(memory: Memory, strings: Strings) -> str:
    """Return the id, the session and the metadata of a memory."""
    fields = {"turn_id": memory.id, "session": memory.session}
    if memory.metadata:
        fields["metadata"] = json.dumps(dict(memory.metadata), ensure_ascii=False, default=str)
    rows = "".join(
        f"<div><dt>{escape(strings[name])}</dt><dd>{escape(value)}</dd></div>"
        for name, value in fields.items()
        if value
    )
    return f'<dl class="mb-fields">{rows}</dl>'


def render_pager(number: int, *, has_older: bool, strings: Strings) -> str:
    """Return the buttons to other pages of the timeline; "" if there is one page.

    Args:
        number: Number of the page, from 1.
        has_older: Whether there is an older page.
        strings: Texts of the page.
    """
    if number == 1 and not has_older:
        return ""
    newer = ("newest", "newer") if number > 1 else ()
    buttons = "".join(render_button(name, "", strings) for name in newer)
    older = render_button("older", "", strings) if has_older else ""
    label = escape(strings["page"].format(number=number))
    return f'<nav class="mb-pager" aria-label="{label}">{buttons}<span>{label}</span>{older}</nav>'


def render_strip(days: Mapping[date, int], strings: Strings) -> str:
    """Return the number of memories over time as bars, and a field to go to a day.

    Args:
        days: Number of memories by day; empty if it is not known yet.
        strings: Texts of the page.
    """
    if not days:
        return ""
    first, last = min(days), max(days)
    length = -(-((last - first).days + 1) // _MAX_BARS)  # days of a bar, rounded up
    counts = [0] * (((last - first).days) // length + 1)
    for day, count in days.items():
        counts[(day - first).days // length] += count
    bars = "".join(
        _render_strip_bar(first + timedelta(days=number * length), length, count, counts, strings)
        for number, count in enumerate(counts)
    )
    label = escape(strings["go_to_day"])
    return (
        f'<div class="mb-strip"><div class="mb-bars" aria-hidden="true">{bars}</div>'
        f'<div class="mb-strip-foot"><span>{escape(format_day(first, strings))}</span>'
        f'<label>{label} <input type="date" data-do="jump" min="{first}" max="{last}"></label>'
        f"<span>{escape(format_day(last, strings))}</span></div></div>"
    )


def _render_strip_bar(
    start: date, length: int, count: int, counts: Sequence[int], strings: Strings
) -> str:
    end = start + timedelta(days=length - 1)
    days = format_day(start, strings)
    if length > 1:
        days = strings["range"].format(first=days, last=format_day(end, strings))
    title = escape(strings["strip"].format(days=days, count=f"{count:,}"))
    share = count / max(counts)
    return (
        f'<button type="button" tabindex="-1" data-do="jump" data-id="{end}" title="{title}">'
        f'<i style="height:{share:.1%}"></i></button>'
    )
