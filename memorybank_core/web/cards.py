"""HTML of memories: cards with the forgetting curve, and search results with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from memorybank_core.bank import MemoryBank
from memorybank_core.forgetting import THRESHOLD, fades_at, retention_of
from memorybank_core.records import Memory, SearchResult
from memorybank_core.search.score_strings import SCORE_STRINGS

from .curves import draw_curve
from .html_text import Strings, escape
from .markup import format_day, render_button, render_question

_MAX_LENGTH = 10_000  # characters of a text; a browser is slow with much longer ones
_MIN_PART = 0.005
"""Parts of a score that are closer to 0 are not shown."""


@dataclass(frozen=True, slots=True)
class CardOptions:
    """Optional content of a card.

    Attributes:
        actions: Actions that have a button.
        question: The question in place of the buttons; "" for none.
        is_open: Whether the card is expanded.
        header: HTML above the text.
        scores: HTML below the text.
        details: HTML below the curve.
    """

    actions: Sequence[str] = ()
    question: str = ""
    is_open: bool = False
    header: str = ""
    scores: str = ""
    details: str = ""


def render_card(
    memory: Memory, bank: MemoryBank, now: datetime, strings: Strings, options: CardOptions
) -> str:
    """Return a memory that expands to its forgetting curve, its recalls and its buttons.

    Args:
        memory: The memory.
        bank: Bank that holds it.
        now: Present time.
        strings: Texts of the page.
        options: What the card shows besides.
    """
    recalls = {0: "recalls_none", 1: "recalls_one"}.get(memory.recalls, "recalls")
    buttons = "".join(render_button(action, memory.id, strings) for action in options.actions)
    actions = f'<div class="mb-actions">{buttons}</div>' if buttons else ""
    if options.question:
        actions = render_question(memory.id, options.question, strings)
    css_class = " archived" if memory.archived_at else ""
    open_attribute = " open" if options.is_open else ""
    return (
        f'<details class="mb-memory{css_class}"{open_attribute}><summary>'
        f"{_render_pin(memory, strings)}{options.header}"
        f"{render_lines(memory, strings)}{options.scores}"
        f"{render_bar(retention_of(memory, bank.law, now), strings)}"
        f"</summary>{render_curve(memory, bank, now, strings)}"
        f'<p class="mb-known">{escape(strings[recalls].format(count=memory.recalls))} · '
        f"{escape(strings['strength'])} {memory.strength:.3g}</p>"
        f"{options.details}{actions}</details>"
    )


def _render_pin(memory: Memory, strings: Strings) -> str:
    return f'<span class="mb-pin">{escape(strings["is_pinned"])}</span>' if memory.pinned else ""


def render_curve(memory: Memory, bank: MemoryBank, now: datetime, strings: Strings) -> str:
    """Return the forgetting curve of a memory, or a note that it is pinned."""
    if memory.pinned:
        return f'<p class="mb-known">{escape(strings["no_curve"])}</p>'
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


def render_lines(memory: Memory, strings: Strings) -> str:
    """Return the lines of a turn with their speakers, or the summary of a day."""
    lines = [(strings["event"], memory.text)]
    if memory.turn is not None:
        turn = memory.turn
        names = turn.user_name or strings["you"], turn.companion_name or strings["companion"]
        lines = list(zip(names, (turn.query, turn.response), strict=True))
    return "".join(
        f'<p class="mb-said"><b>{escape(name)}</b> {escape(_shorten(text))}</p>'
        for name, text in lines
        if text.strip()
    )


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"


def render_bar(retention: float, strings: Strings) -> str:
    """Return the retention as a bar."""
    share = min(max(retention, 0.0), 1.0)
    label = f"{escape(strings['retention'])} {share:.0%}"
    return (
        f'<div class="mb-left" role="img" aria-label="{label}" title="{label}">'
        f'<i style="width:{share:.0%}"></i></div>'
    )


def longest_part(results: Sequence[SearchResult]) -> float:
    """Return the largest magnitude of a part of these scores, at least 1: the scale of the bars."""
    return max(
        (abs(part) for result in results for part in asdict(result.parts).values()), default=1
    )


def render_parts(result: SearchResult, language: str, scale: float) -> str:
    """Return each part of a score with a small bar, to the left of the middle if it is below 0.

    Args:
        result: The search result.
        language: "en" or "zh".
        scale: Magnitude of a part whose bar is as long as possible.
    """
    names = SCORE_STRINGS[language]
    rows = "".join(
        f'<li><span>{escape(names[name])}</span><i class="{"minus" if part < 0 else "plus"}" '
        f'style="--part:{min(abs(part) / (scale or 1), 1):.3f}"></i><b>{part:+.2f}</b></li>'
        for name, part in asdict(result.parts).items()
        if abs(part) >= _MIN_PART
    )
    return f'<ul class="mb-parts">{rows}</ul>'
