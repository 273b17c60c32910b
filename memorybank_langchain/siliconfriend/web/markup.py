"""The memory as HTML. What people and models wrote is text in it, whatever it looks like."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date, datetime
from itertools import groupby

from memorybank_core import Context, Digest, Memory, MemoryBank, Portrait, SearchResult
from memorybank_core.forgetting import THRESHOLD, fades_at, retention_of
from memorybank_core.records import WHY

from .curves import curve_svg

Words = Mapping[str, str]

ACTIONS = ("strengthen", "pin", "unpin", "forget", "restore")
"""What is done with a memory at once; deleting it is asked about first."""

_TEMPLATE_MARKS = str.maketrans({"{": "&#123;", "}": "&#125;", "$": "&#36;", "`": "&#96;"})


def escaped(text: str) -> str:
    """`text` as HTML, also for gradio's templates, which read `${…}` and `{{…}}`."""
    return html.escape(text).translate(_TEMPLATE_MARKS)


def day_text(day: date, words: Words) -> str:
    """A day as one writes it in the language."""
    month = words["months"].split()[day.month - 1]
    return words["date"].format(day=day.day, month=month, year=day.year)


def empty(text: str) -> str:
    """What stands where there is nothing to show."""
    return f'<p class="sf-empty">{escaped(text)}</p>'


def notice(text: str) -> str:
    """A word on what was done; nothing where nothing was."""
    return f'<p class="sf-notice" role="status">{escaped(text)}</p>' if text else ""


def head(user: str, bank: MemoryBank, words: Words) -> str:
    """The greeting, and how much is known."""
    stats = bank.stats(user_id=user)
    hello = words["hello_again" if stats.memories else "hello"].format(name=user)
    known = ""
    if stats.memories and stats.first_day:
        wording = words["known_one" if stats.memories == 1 else "known"]
        known = wording.format(count=stats.memories, day=day_text(stats.first_day, words))
    return f'<h1 class="sf-hello">{escaped(hello)}</h1><p class="sf-known">{escaped(known)}</p>'


def talk(messages: Iterable[Mapping[str, str]], words: Words) -> str:
    """A conversation."""
    said = "".join(
        f'<div class="sf-bubble {message["role"]}">{escaped(message["content"])}</div>'
        for message in messages
    )
    label = escaped(words["chat"])
    hint = empty(words["chat_none"]) if not said else ""
    return f'<div class="sf-talk" role="log" aria-label="{label}">{said}{hint}</div>'


def recalled(context: Context | None, words: Words, language: str) -> str:
    """What was recalled for the last answer, and why: the parts of each score."""
    if context is None:
        return empty(words["recalled_none"])
    if not context.results:
        return empty(words["recalled_nothing"])
    cards = "".join(_result(result, words, language) for result in context.results)
    more = words["left_out"].format(count=len(context.left_out)) if context.left_out else ""
    return f'<div class="sf-list">{cards}</div>{notice(more)}'


def _result(result: SearchResult, words: Words, language: str) -> str:
    memory, names = result.memory, WHY[language]
    parts = "".join(
        f'<span class="sf-part{" minus" if part < 0 else ""}">{escaped(names[name])} '
        f"<b>{part:+.2f}</b></span>"
        for name, part in asdict(result.parts).items()
        if abs(part) >= 0.005
    )
    return (
        f'<article class="sf-memory"><header><time>{escaped(day_text(memory.day, words))}</time>'
        f'<span class="sf-score">{escaped(words["score"])} {result.score:.2f}</span></header>'
        f'{_said(memory, words)}<div class="sf-parts">{parts}</div>'
        f"{_bar(result.retention, words)}</article>"
    )


def timeline(
    memories: Iterable[Memory],
    bank: MemoryBank,
    now: datetime,
    words: Words,
    *,
    more: bool,
    opened: str | None = None,
) -> str:
    """Memories by day, the latest first; each opens to its curve and to what can be done."""
    latest = sorted(memories, key=lambda memory: (memory.created_at, memory.id), reverse=True)
    if not latest:
        return empty(words["timeline_none"])
    days = "".join(
        f'<h3 class="sf-day">{escaped(day_text(day, words))}</h3>'
        + "".join(
            _memory(memory, bank, now, words, is_open=memory.id == opened) for memory in of_day
        )
        for day, of_day in groupby(latest, key=lambda memory: memory.day)
    )
    button = _button("more", "", words) if more else ""
    return f'<div class="sf-list">{days}{button}</div>'


def _memory(memory: Memory, bank: MemoryBank, now: datetime, words: Words, *, is_open: bool) -> str:
    wording = {0: "recalls_none", 1: "recalls_one"}.get(memory.recalls, "recalls")
    buttons = "".join(_button(do, memory.id, words) for do in _actions(memory))
    state, opened = " archived" if memory.archived_at else "", " open" if is_open else ""
    pin = '<span class="sf-pin" aria-hidden="true">📌</span>' if memory.pinned else ""
    return (
        f'<details class="sf-memory{state}"{opened}><summary>{pin}'
        f"{_said(memory, words)}{_bar(retention_of(memory, bank.law, now), words)}</summary>"
        f"{_fading(memory, bank, now, words)}"
        f'<p class="sf-known">{escaped(words[wording].format(count=memory.recalls))} · '
        f"{escaped(words['strength'])} {memory.strength:.3g}</p>"
        f'<div class="sf-actions">{buttons}</div></details>'
    )


def _actions(memory: Memory) -> tuple[str, ...]:
    """What can be done with a memory as it is."""
    if memory.archived_at:
        return ("restore", "pin", "delete")
    if memory.pinned:
        return ("strengthen", "unpin", "delete")
    return ("strengthen", "pin", "forget", "delete")


def _fading(memory: Memory, bank: MemoryBank, now: datetime, words: Words) -> str:
    """A memory's curve of forgetting; or that it does not fade."""
    if memory.pinned:
        return f'<p class="sf-known">{escaped(words["stays"])}</p>'
    recalls = bank.recalls(memory.id, user_id=memory.user_id) if memory.recalls else []
    fades = fades_at(memory, bank.law, THRESHOLD)
    label = {
        "start": escaped(day_text(bank.day_of(memory.created_at), words)),
        "until": escaped(day_text(bank.day_of(fades), words)) if fades else "",
        "now": escaped(words["now"]),
        "threshold": escaped(words["threshold"]),
    }
    return curve_svg(memory, recalls, bank.law, now, label)


def quoted(memory: Memory, words: Words) -> str:
    """A memory as it is shown before it is deleted."""
    return f'<blockquote class="sf-quote">{_said(memory, words)}</blockquote>'


def _said(memory: Memory, words: Words) -> str:
    """Who said what, a line each; or the summary of the day."""
    said = [(words["event"], memory.text)]
    if memory.turn is not None:
        said = [(words["you"], memory.turn.query), (words["companion"], memory.turn.response)]
    return "".join(
        f'<p class="sf-said"><b>{escaped(name)}</b> {escaped(text)}</p>'
        for name, text in said
        if text.strip()
    )


def _bar(retention: float, words: Words) -> str:
    """How much of a memory is left, as a bar."""
    share = min(max(retention, 0.0), 1.0)
    return (
        f'<div class="sf-left" title="{escaped(words["retention"])} {share:.2f}">'
        f'<i style="width:{share:.0%}"></i></div>'
    )


def _button(do: str, memory_id: str, words: Words) -> str:
    return (
        f'<button type="button" class="sf-do {do}" data-do="{do}" '
        f'data-id="{escaped(memory_id)}">{escaped(words[do])}</button>'
    )


def digests(found: list[Digest], words: Words) -> str:
    """The portrait, the summary of all days, and those of single days, the latest first."""
    if not found:
        return empty(words["digest_none"])
    overall = sorted((one for one in found if one.day is None), key=_summaries_last)
    daily = [one for one in found if one.day is not None]
    daily.sort(key=lambda one: (one.day or date.min, not _summaries_last(one)), reverse=True)
    parts = [_digest(one, words[_kind(one)], words) for one in overall]
    if daily:
        days = "".join(_digest(one, _daily_title(one, words), words) for one in daily)
        parts.append(f'<details class="sf-days"><summary>{escaped(words["days"])}</summary>{days}')
        parts.append("</details>")
    return f'<div class="sf-list">{"".join(parts)}</div>'


def _summaries_last(digest: Digest) -> bool:
    return not isinstance(digest, Portrait)


def _kind(digest: Digest) -> str:
    return "portrait" if isinstance(digest, Portrait) else "summary"


def _daily_title(digest: Digest, words: Words) -> str:
    day = day_text(digest.day, words) if digest.day else ""
    return f"{day} · {words[_kind(digest)]}"


def _digest(digest: Digest, title: str, words: Words) -> str:
    maker = words["made_by"].format(model=digest.made_by) if digest.made_by else ""
    by = words["extractive"] if digest.is_extractive else maker
    return (
        f'<article class="sf-memory"><h3>{escaped(title)}</h3>'
        f'<p class="sf-said">{escaped(digest.text)}</p><p class="sf-known">{escaped(by)}</p>'
        "</article>"
    )
