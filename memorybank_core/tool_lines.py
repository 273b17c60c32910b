"""Memories as lines of JSON, as the tools of an agent return them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .context import CLOSING, OPENING, QuerySignals
from .context.markers import without_markers
from .context.passages import MAX_SHORTENED, length_limit, shorten_to, texts_of
from .context.strings import WORDING
from .records import Memory

_LINE_BREAKS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}
"""Line breaks that JSON does not escape, by their code points."""


def fit_lines(
    memories: Sequence[Memory],
    language: str,
    max_tokens: int,
    count: Callable[[str], int],
    compute: Callable[[], QuerySignals] = QuerySignals,
) -> list[tuple[int, str]]:
    """Return the positions and lines of the memories that fit; earlier ones have precedence.

    If not all fit, long memories are reduced to their best passages.

    Args:
        memories: The memories.
        language: "en" or "zh", for the names of the speakers.
        max_tokens: Maximum total length of the lines.
        count: Counts the tokens of a text.
        compute: Returns the signals that score passages; called if memories are shortened.
    """
    lines = [to_json_line(memory, language) for memory in memories]
    sizes = [count(line) for line in lines]
    if sum(sizes) > max_tokens:
        limit, signals = length_limit(max_tokens, max_tokens), compute()
        for i in [i for i, size in enumerate(sizes) if size > limit][:MAX_SHORTENED]:
            render = partial(to_json_line, memories[i], language)
            lines[i] = shorten_to(memories[i], signals, limit, render, language, count) or lines[i]
            sizes[i] = count(lines[i])
    remaining, fitting = max_tokens, []
    for i, size in enumerate(sizes):
        if size <= remaining:
            remaining -= size
            fitting.append((i, lines[i]))
    return fitting


def to_block(lines: Sequence[str], language: str) -> str:
    """Return lines of recalled text between the markers of a block."""
    return "\n".join([OPENING, WORDING[language]["intro"], *lines, CLOSING])


def to_json_line(memory: Memory, language: str, texts: Sequence[str] | None = None) -> str:
    """Return a memory as one line of JSON; its text cannot end the line or the block.

    Args:
        memory: The memory.
        language: "en" or "zh", for the names of the speakers.
        texts: The texts in place of the memory's own.
    """
    fields = _describe(memory, language, texts)
    return without_markers(json.dumps(fields, ensure_ascii=False).translate(_LINE_BREAKS))


def _describe(memory: Memory, language: str, texts: Sequence[str] | None) -> dict[str, Any]:
    """Return the id, the day and what was said as plain JSON, without markers of blocks."""
    wording, turn = WORDING[language], memory.turn
    names = [wording["event"]]
    if turn is not None:
        names = [turn.user_name or wording["user"], turn.companion_name or wording["companion"]]
    own = texts_of(memory) if texts is None else texts
    lines = [
        without_markers(wording["line"].format(name=name, text=text))  # before its line breaks go
        for name, text in zip(names, own, strict=True)
        if text
    ]
    return {"id": without_markers(memory.id), "day": memory.day.isoformat(), "said": lines}
