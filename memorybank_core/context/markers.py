"""Markers around recalled text, and the removal of marked text."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .strings import WORDING

OPENING = "<memorybank_context>"
"""The first line of the block."""
CLOSING = "</memorybank_context>"
"""The last line of the block."""

_GAP = r"[^<>\[\]\w\n]*"
_MARKER = re.compile(rf"<({_GAP})memorybank_context{_GAP}>", re.IGNORECASE)
"""A marker in any case, with spaces, punctuation or invisible characters in it, on one line."""
_INTROS = "|".join(re.escape(wording["intro"][:15]) for wording in WORDING.values())
_BLOCK_FOLLOWS = re.compile(rf"[^\S\n]*(?:\n|\Z|{_INTROS})")


def without_recalled(text: str) -> str:
    """Return `text` without blocks made by `compose`; the same object if it has none.

    A block without a closing marker extends to the end of the text. A closing marker without a
    block is removed. An opening marker without a block, as in a question about the marker, is put
    in square brackets.
    """
    if "<" not in text or not _MARKER.search(text):
        return text
    parts, position = [], 0
    for start, end in _merge_spans(_widen(text, *span) for span in _find_spans(text)):
        line_break = "\n" if "\n" in text[start:end] else " "
        parts += [text[position:start], line_break if start > 0 and end < len(text) else ""]
        position = end
    return without_markers("".join(parts) + text[position:])


def without_markers(text: str) -> str:
    """Return `text` with square brackets around markers, which then no longer mark a block."""
    return _MARKER.sub(lambda marker: f"[{marker[0][1:-1]}]", text)


def _find_spans(text: str) -> list[tuple[int, int]]:
    """Return the spans of blocks and of closing markers without a block."""
    spans: list[tuple[int, int]] = []
    unclosed: list[re.Match[str]] = []
    for marker in _MARKER.finditer(text):
        if "/" not in marker[1]:
            unclosed.append(marker)
        else:
            spans.append(((unclosed.pop() if unclosed else marker).start(), marker.end()))
    block_starts = (marker for marker in unclosed if _BLOCK_FOLLOWS.match(text, marker.end()))
    return spans + [(marker.start(), len(text)) for marker in block_starts]


def _widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span to the quote marks ("> ") before it and the whitespace around it."""
    line = start
    while line and text[line - 1] in " \t>":
        line -= 1
    if not line or text[line - 1] in "\r\n":
        start = line
    while start and text[start - 1].isspace():
        start -= 1
    while end < len(text) and text[end].isspace():
        end += 1
    return start, end


def _merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans in order, with touching ones merged."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged
