"""The one character that PostgreSQL's text cannot hold: NUL, written as a pair instead."""

from __future__ import annotations

from typing import Any

ESCAPE = "\x1a"  # SUBSTITUTE, which no keyboard types
_NUL, _SELF = ESCAPE + "0", ESCAPE + "1"


def escaped(value: Any) -> Any:
    """`value` with every NUL of a text (or of a list's texts) written as a pair."""
    if isinstance(value, str):
        if "\0" in value or ESCAPE in value:
            return value.replace(ESCAPE, _SELF).replace("\0", _NUL)
    elif isinstance(value, list):
        return [escaped(one) for one in value]
    return value


def plain(text: str) -> str:
    """The inverse of `escaped`, for one text."""
    return text.replace(_NUL, "\0").replace(_SELF, ESCAPE)
