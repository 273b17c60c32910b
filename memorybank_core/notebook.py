"""HTML of results for notebooks: plain tables, with every text escaped, for light and dark.

Columns are named as the fields of the records. Jupyter calls `_repr_html_`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, is_dataclass
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from .digest_records import Digest
    from .records import Memory, SearchResult

T = TypeVar("T")

MOST_ROWS = 50
"""Maximum number of rows of a table."""
_TURN = "turn"  # its lines are the text of the memory
_MIN_PART = 0.005  # parts of a score that are closer to 0 are not shown
_LINE = "border:0;border-bottom:1px solid rgba(128,128,128,0.35);"
_CELL = f"{_LINE}text-align:left;vertical-align:top;padding:4px 10px;"
_TEXT = "white-space:pre-wrap;overflow-wrap:anywhere;max-width:46em;"
_MUTED = "opacity:0.7;"


class ShownAsTable:
    """Base of records that a notebook shows as a table of their fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return render_record(self)


class Listing(list[T]):
    """A list that a notebook shows as a table with a row for each item."""

    def _repr_html_(self) -> str:
        return render_list(self)


def render_list(items: Sequence[Any]) -> str:
    """Return a table with a row for each record."""
    if not items:
        return f'<p style="{_MUTED}">0 results</p>'
    if hasattr(items[0], "parts"):
        return render_results(items)
    return _render_rows(items)


def render_results(results: Sequence[SearchResult]) -> str:
    """Return search results, best first, with a small bar for each part of their scores."""
    scale = max((abs(part) for result in results for part in _parts(result).values()), default=1.0)
    rows = [
        [
            _render_value(result.memory.day),
            _render_memory(result.memory),
            f"{result.relevance:.2f}",
            f"{result.score:.2f}",
            _render_parts(result, scale),
        ]
        for result in results[:MOST_ROWS]
    ]
    return _render_table(("day", "memory", "relevance", "score", "parts"), rows, len(results))


def render_context(text: str, tokens: int, results: Sequence[SearchResult]) -> str:
    """Return the text of a context, and its memories with their scores."""
    table = render_results(results) if results else ""
    return (
        f'<div style="{_LINE}padding:6px 10px;{_TEXT}">{escape(text)}</div>'
        f'<p style="{_MUTED}">{tokens:,} tokens</p>{table}'
    )


def render_digest(digest: Digest) -> str:
    """Return a summary or a portrait, its day and its author."""
    title = f"{type(digest).__name__}, {digest.day or 'all days'}"
    author = f"{digest.made_by or 'unknown author'}, {_render_value(digest.made_at)}"
    return (
        f"<p><b>{escape(title)}</b></p>"
        f'<div style="padding:2px 10px;{_TEXT}">{escape(digest.text)}</div>'
        f'<p style="{_MUTED}">{escape(author)}</p>'
    )


def render_record(record: Any) -> str:
    """Return the fields of a record as a table, and tables of the records that it holds."""
    names = [field.name for field in fields(record) if field.name != _TURN]
    values = {name: getattr(record, name) for name in names}
    tables = {name: value for name, value in values.items() if _is_table(value)}
    rows = [
        [f"<b>{escape(name)}</b>", _render_value(value)]
        for name, value in values.items()
        if name not in tables
    ]
    rest = "".join(f"<p><b>{escape(name)}</b></p>{_render_rows(t)}" for name, t in tables.items())
    title = f"<p><b>{escape(type(record).__name__)}</b></p>"
    return title + _render_table((), rows, len(rows)) + rest


def _is_table(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and is_dataclass(value[0])


def _render_rows(records: Sequence[Any]) -> str:
    """Return a table with a column for each field that has a value in some record."""
    shown = records[:MOST_ROWS]
    names = [
        field.name
        for field in fields(shown[0])
        if field.name not in (_TURN, "user_id")
        and any(getattr(record, field.name) not in (None, "", ()) for record in shown)
    ]
    rows = [[_render_value(getattr(record, name)) for name in names] for record in shown]
    return _render_table(names, rows, len(records))


def _render_table(names: Sequence[str], rows: Iterable[Sequence[str]], count: int) -> str:
    """Return a table of cells that are HTML already, and the number of rows left out."""
    head = "".join(f'<th style="{_CELL}">{escape(name)}</th>' for name in names)
    lines = ["".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    more = f'<p style="{_MUTED}">{count - MOST_ROWS:,} more</p>' if count > MOST_ROWS else ""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    return f'<table style="border-collapse:collapse">{head}<tbody>{body}</tbody></table>{more}'


def _render_value(value: Any) -> str:
    """Return one value of a record as escaped text; a memory as what was said."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}"
    if is_dataclass(value):
        return _render_memory(value) if hasattr(value, "recalls") else escape(str(value))
    if isinstance(value, tuple):
        names = [escape(str(item)) for item in value[:MOST_ROWS]]
        return ", ".join(names) + (" …" if len(value) > MOST_ROWS else "")
    return f'<div style="{_TEXT}">{escape(str(value))}</div>'


def _render_memory(memory: Memory | Any) -> str:
    return f'<div style="{_TEXT}">{escape(memory.text)}</div>'


def _parts(result: SearchResult) -> dict[str, float]:
    return {name: part for name, part in asdict(result.parts).items() if abs(part) >= _MIN_PART}


def _render_parts(result: SearchResult, scale: float) -> str:
    lines = [
        f"<div>{_draw_bar(part / scale)} {escape(name)} {part:+.2f}</div>"
        for name, part in _parts(result).items()
    ]
    return f'<div style="white-space:nowrap;font-size:85%">{"".join(lines)}</div>'


def _draw_bar(share: float) -> str:
    """Return a bar, from the middle to the right or, below 0, to the left; `share` in [-1, 1]."""
    start, end = sorted((50.0, 50.0 + 50.0 * share))
    colour = "#0f9d8f" if share >= 0 else "#d9622b"
    gradient = f"transparent {start:.0f}%,{colour} {start:.0f}% {end:.0f}%,transparent {end:.0f}%"
    return (
        '<span style="display:inline-block;width:72px;height:7px;vertical-align:middle;'
        f"background-color:rgba(128,128,128,0.18);background-image:"
        f'linear-gradient(to right,{gradient})"></span>'
    )
