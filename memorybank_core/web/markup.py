"""HTML of days, notices, buttons and questions. Texts of users and models are escaped."""

from __future__ import annotations

from datetime import date

from .html_text import Strings, escape


def format_day(day: date, strings: Strings) -> str:
    """Format a day in the language of the page."""
    month = strings["months"].split()[day.month - 1]
    return strings["date"].format(day=day.day, month=month, year=day.year)


def render_empty(text: str) -> str:
    """Return a placeholder for empty content."""
    return f'<p class="mb-empty">{escape(text)}</p>'


def render_notice(text: str, button: str = "", role: str = "status") -> str:
    """Return a message about the last action; "" for an empty text.

    Args:
        text: The message.
        button: HTML of a button.
        role: Role for assistive technology: "status", or "alert" for an error to be read at once.
    """
    if not text:
        return ""
    return f'<div class="mb-notice" role="{role}"><span>{escape(text)}</span>{button}</div>'


def render_button(action: str, target: str, strings: Strings, label: str | None = None) -> str:
    """Return a button that sends `action` and the id of its target to the server.

    Args:
        action: The action, which is also the name of the button's text.
        target: Id of what it acts on.
        strings: Texts of the page.
        label: Another text.
    """
    text = strings[action] if label is None else label
    return (
        f'<button type="button" class="mb-do {action}" data-do="{action}" '
        f'data-id="{escape(target)}">{escape(text)}</button>'
    )


def render_question(target: str, question: str, strings: Strings) -> str:
    """Return the question before a deletion, which stands in place of the buttons."""
    buttons = "".join(render_button(action, target, strings) for action in ("cancel", "confirm"))
    label = escape(question)
    return (
        f'<div class="mb-question" role="group" aria-label="{label}"><p>{label}</p>'
        f'<div class="mb-actions">{buttons}</div></div>'
    )
