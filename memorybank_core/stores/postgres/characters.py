"""Escape NUL, the one character that PostgreSQL's text cannot hold."""

from __future__ import annotations

from typing import Any

ESCAPE = "\x1a"  # SUBSTITUTE, which no keyboard types
_NUL, _SELF = ESCAPE + "0", ESCAPE + "1"


def escape(value: Any) -> Any:
    """Return `value` with every NUL of a text (or of the texts of a list) escaped."""
    if isinstance(value, str):
        if "\0" in value or ESCAPE in value:
            return value.replace(ESCAPE, _SELF).replace("\0", _NUL)
    elif isinstance(value, list):
        return [escape(item) for item in value]
    return value


def unescape(text: str) -> str:
    """Invert `escape` for one text."""
    return text.replace(_NUL, "\0").replace(_SELF, ESCAPE)
