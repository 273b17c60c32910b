"""Markers around recalled text, and the removal of marked text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .strings import WORDING

OPENING = "<memorybank_context>"
"""The first line of the block."""
CLOSING = "</memorybank_context>"
"""The last line of the block."""

_INVISIBLE = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]*"
)
_NAME = _INVISIBLE.join(f"[{letter}{chr(ord(letter) + 0xFEE0)}]" for letter in OPENING[1:-1])
_GAP = r"[^<>＜＞\[\]\w]*"
_IMITATION = re.compile(
    rf"[<＜](?P<name>{_GAP}{_NAME}(?!\w))(?P<end>(?:\s[^<>＜＞\[\]\n]{{0,200}}|{_GAP})[>＞])?",
    re.IGNORECASE,
)
"""Anything that may be read as a marker: in any case or width, with spaces, punctuation, attributes
or invisible characters in it, closed or not."""

_LINE_GAP = r"[^<>\[\]\w\n]*"
_MARKER = re.compile(rf"<({_LINE_GAP})memorybank_context{_LINE_GAP}>", re.IGNORECASE)
"""A marker as a model or a host may change it: in any case, with spaces in it, on one line."""

_IGNORED = re.compile(r"\\n|[\s>]+")  # between the words of a block that was quoted or wrapped
_CLAUSES = [
    _IGNORED.sub("", re.split("[:，]", wording["intro"])[0]).lower() for wording in WORDING.values()
]
"""The first clauses of a block, by which it is recognized."""
_MIN_CLAUSE = 10  # characters of a clause that was cut off
_CLAUSE_SPAN = 400  # characters within which a clause is looked for

_LINE_STARTS = tuple(
    wording[name].partition("{")[0]
    for wording in WORDING.values()
    for name in ("portrait", "summary", "memories", "missing")
)
_LINE = re.compile(
    rf"  |- \d{{4}}-\d\d-\d\d|- [\d-]+$|\{{\"id\"|\s*$|{'|'.join(map(re.escape, _LINE_STARTS))}"
)
"""The start of a line of a block after its first clause."""
_MIN_LINE = 4  # characters of a line that was cut off


def without_recalled(text: str) -> str:
    """Return `text` without blocks made by `compose`; the same object if it has none.

    A block is an opening marker and the words with which every block begins; other markers are
    text. It ends at the next closing marker. If that was cut off, it ends before the first line
    that cannot be from a block. The line breaks that joined it to other text are removed with it;
    between two texts, one remains.
    """
    if "<" not in text:
        return text
    kept, joint, position = "", "", 0
    for span in _find_blocks(text):
        start, end = _widen(text, *span)
        if before := text[position:start]:
            kept, joint = kept + joint + before, " "
        if kept and "\n" in text[start:end]:
            joint = "\n"
        position = end
    if not position:
        return text
    return kept + joint + text[position:] if position < len(text) else kept


def without_markers(text: str) -> str:
    """Return `text` with square brackets around markers, which then no longer mark a block."""
    return _IMITATION.sub(_replace_brackets, text)


def _replace_brackets(marker: re.Match[str]) -> str:
    end = marker["end"]
    return f"[{marker['name']}" + (f"{end[:-1]}]" if end else "")


def _find_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of the blocks in order."""
    opened: re.Match[str] | None = None
    for marker in _MARKER.finditer(text):
        if "/" in marker[1]:
            if opened:
                yield opened.start(), marker.end()
                opened = None
        elif _has_clause(text, marker.end()):
            if opened:
                yield opened.start(), _find_cut(text, opened, marker.start())
            opened = marker
    if opened:
        yield opened.start(), _find_cut(text, opened, len(text))


def _has_clause(text: str, position: int) -> bool:
    """Return whether the first clause of a block follows, whole or cut off by the text's end."""
    end = position + _CLAUSE_SPAN
    words = _IGNORED.sub("", text[position:end]).lower()
    is_cut = end >= len(text) and len(words) >= _MIN_CLAUSE
    return words.startswith(tuple(_CLAUSES)) or (
        is_cut and any(clause.startswith(words) for clause in _CLAUSES)
    )


def _find_cut(text: str, marker: re.Match[str], limit: int) -> int:
    """Return the end of a block without a closing marker: of its last possible line."""
    start = text.rfind("\n", max(0, marker.start() - _CLAUSE_SPAN), marker.start()) + 1
    quote = text[start : marker.start()].strip(" \t")  # such as ">"
    end, has_clause = marker.end(), False
    for line in text[end:limit].splitlines(keepends=True):
        unquoted = line.lstrip(" \t").removeprefix(quote).removeprefix(" ") if quote else line
        is_last = end + len(line) == len(text)
        if has_clause and not _is_line(unquoted.rstrip("\r\n"), is_last):
            break
        end += len(line)
        has_clause = has_clause or bool(_IGNORED.sub("", line))
    return end


def _is_line(line: str, is_last: bool) -> bool:
    """Return whether a line can be from a block; the last one may be cut off."""
    is_cut = is_last and len(line) >= _MIN_LINE
    return bool(_LINE.match(line)) or (
        is_cut and any(start.startswith(line) for start in (*_LINE_STARTS, CLOSING))
    )


def _widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend a span to the quote marks ("> ") before it and the line breaks around it."""
    line = start
    while line and text[line - 1] in " \t>":
        line -= 1
    if not line or text[line - 1] in "\r\n":
        start = line
    joints = ("\r\n\r\n", "\n\n", "\r\n", "\n", "\r", " ")
    start -= next((len(joint) for joint in joints if text.endswith(joint, 0, start)), 0)
    end += next((len(joint) for joint in joints if text.startswith(joint, end)), 0)
    return start, end
