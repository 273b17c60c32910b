"""Lines of a portrait that fit into a context."""

from __future__ import annotations

from collections.abc import Callable

PORTRAIT_SHARE = 4
"""A portrait longer than the budget divided by this loses lines if not everything fits."""
_LIST_ITEM = "\n  - "


def keep_lines(text: str, limit: int, count: Callable[[str], int]) -> str:
    """Return an indented list with the items that fit into `limit` tokens.

    Prose, and a list of which no item fits, are returned whole.

    Args:
        text: The text: a heading, and items after it.
        limit: Maximum number of tokens.
        count: Counts the tokens of a text.
    """
    heading, *items = text.split(_LIST_ITEM)
    if not items or count(text) <= limit:
        return text
    kept = heading
    for item in items:
        longer = f"{kept}{_LIST_ITEM}{item}"
        if count(longer) <= limit:
            kept = longer
    return text if kept == heading else kept
