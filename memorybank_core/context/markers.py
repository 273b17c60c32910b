"""The marks around recalled text, and how to take what stands between them out again."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .strings import WORDING

OPENING = "<memorybank_context>"
"""The line that the block begins with."""
CLOSING = "</memorybank_context>"
"""The line that it ends with."""

_GAP = r"[^<>\[\]\w\n]*"
_MARKER = re.compile(rf"<({_GAP})memorybank_context{_GAP}>", re.IGNORECASE)
"""A marker in any case, with spaces, punctuation or unseen characters in it, on one line."""
_INTROS = "|".join(re.escape(wording["intro"][:15]) for wording in WORDING.values())
_BLOCK_FOLLOWS = re.compile(rf"[^\S\n]*(?:\n|\Z|{_INTROS})")


def without_recalled(text: str) -> str:
    """`text` without the blocks that `compose` makes; the same object where there is none.

    A block that is cut off in the middle reaches to the end of the text. A closing marker alone
    is taken out; an opening one that no block follows, in a question about it, is put in brackets.
    """
    if "<" not in text or not _MARKER.search(text):
        return text
    parts, at = [], 0
    for start, end in _merged(_widened(text, *span) for span in _marked(text)):
        line_break = "\n" if "\n" in text[start:end] else " "
        parts += [text[at:start], line_break if start > 0 and end < len(text) else ""]
        at = end
    return without_markers("".join(parts) + text[at:])


def without_markers(text: str) -> str:
    """`text` with markers in square brackets, which are none."""
    return _MARKER.sub(lambda marker: f"[{marker[0][1:-1]}]", text)


def _marked(text: str) -> list[tuple[int, int]]:
    """Where the blocks are, and closing markers alone."""
    spans: list[tuple[int, int]] = []
    opened: list[re.Match[str]] = []
    for marker in _MARKER.finditer(text):
        if "/" not in marker[1]:
            opened.append(marker)
        else:
            spans.append(((opened.pop() if opened else marker).start(), marker.end()))
    cut_off = (marker for marker in opened if _BLOCK_FOLLOWS.match(text, marker.end()))
    return spans + [(marker.start(), len(text)) for marker in cut_off]


def _widened(text: str, start: int, end: int) -> tuple[int, int]:
    """A span with the quote marks ("> ") before it in its line and the whitespace around it."""
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


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch made one, in their order."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(end, merged.pop()[1])
        merged.append((start, end))
    return merged
