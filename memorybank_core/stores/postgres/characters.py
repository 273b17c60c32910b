"""The one character that PostgreSQL's text cannot hold: NUL, written as a pair instead."""

from __future__ import annotations

from typing import Any

_ESCAPE = "\x1a"  # SUBSTITUTE, which no keyboard types
_NUL, _SELF = _ESCAPE + "0", _ESCAPE + "1"


def escaped(value: Any) -> Any:
    """`value` with every NUL of a text (or of a list's texts) written as a pair."""
    if isinstance(value, str):
        if "\0" in value or _ESCAPE in value:
            return value.replace(_ESCAPE, _SELF).replace("\0", _NUL)
    elif isinstance(value, list):
        return [escaped(one) for one in value]
    return value


def plain(value: Any) -> Any:
    """The inverse of `escaped`."""
    if isinstance(value, str) and _ESCAPE in value:
        return value.replace(_NUL, "\0").replace(_SELF, _ESCAPE)
    return value
