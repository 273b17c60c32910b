"""HTML of the conversation and of the list of conversations. Texts of users are escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import groupby

from memorybank_core import Memory, Turn
from memorybank_core.web.html_text import Strings, escape
from memorybank_core.web.markup import format_day, render_button, render_question

from .conversations import ListedConversation
from .markdown import render_markdown


def render_conversation(
    turns: Sequence[Memory],
    suggestions: Sequence[str],
    strings: Strings,
    *,
    last_id: str | None,
    confirming: str | None,
) -> str:
    """Return the turns of a conversation with their actions, or suggestions without turns.

    Args:
        turns: Turns of the conversation, oldest first.
        suggestions: Messages to begin with.
        strings: Texts of the page.
        last_id: Id of the turn that can be edited and answered again.
        confirming: Id of the turn whose deletion must be confirmed.
    """
    if not turns:
        return _render_suggestions(suggestions, strings)
    return "".join(
        _render_turn(turn, strings, is_last=turn.id == last_id, is_confirming=turn.id == confirming)
        for turn in turns
    )


def render_growing(query: str, answer: str, strings: Strings) -> str:
    """Return a turn that is being answered."""
    body = render_markdown(answer, strings) if answer.strip() else _WAITING
    label = escape(strings["thinking"])
    return (
        f'<article class="mb-turn" aria-busy="true" aria-label="{label}">'
        f"{_render_message('user', _as_text(query), strings)}"
        f"{_render_message('assistant', body, strings)}</article>"
    )


def render_waiting(turns: Sequence[Turn], strings: Strings) -> str:
    """Return turns that wait to be stored, and say so; "" without turns."""
    if not turns:
        return ""
    articles = []
    for turn in turns:
        parts = [_render_message("user", _as_text(turn.query), strings)]
        if turn.answer.strip():
            answer = render_markdown(turn.answer, strings)
            parts.append(_render_message("assistant", answer, strings))
        articles.append(f'<article class="mb-turn">{"".join(parts)}</article>')
    return "".join(articles) + render_failure(strings["not_stored"], strings)


_WAITING = '<span class="mb-waiting" aria-hidden="true"><i></i><i></i><i></i></span>'


def render_failure(text: str, strings: Strings) -> str:
    """Return the reason why there is no answer."""
    return f'<div class="mb-failure" role="alert">{_as_text(text)}</div>'


def _render_turn(turn: Memory, strings: Strings, *, is_last: bool, is_confirming: bool) -> str:
    query, answer = (turn.turn.query, turn.turn.answer) if turn.turn else ("", turn.text)
    has_answer = bool(answer.strip())
    of_query = [_render_copy(query, strings)]
    of_answer = [_render_copy(answer, strings)] if has_answer else []
    if is_last and turn.archived_at is None:
        of_query.append(render_button("edit", turn.id, strings))
        of_answer.append(render_button("again", turn.id, strings))
    of_answer += [render_button(action, turn.id, strings) for action in _list_actions(turn)]
    state = "".join(
        f'<span class="mb-state">{escape(strings[name])}</span>'
        for name, is_true in (("is_pinned", turn.pinned), ("is_archived", turn.archived_at))
        if is_true
    )
    actions = f"{state}{''.join(of_answer)}"
    question = render_question(turn.id, strings["sure"], strings) if is_confirming else ""
    css_class = "mb-turn last" if is_last else "mb-turn"
    parts = []
    if query.strip():
        parts.append(_render_message("user", _as_text(query), strings))
        parts.append(f'<div class="mb-acts user">{"".join(of_query)}</div>')
    if has_answer:
        parts.append(_render_message("assistant", render_markdown(answer, strings), strings))
    parts.append(question or f'<div class="mb-acts">{actions}</div>')
    archived = " archived" if turn.archived_at else ""
    return f'<article class="{css_class}{archived}">{"".join(parts)}</article>'


def _list_actions(turn: Memory) -> tuple[str, ...]:
    if turn.archived_at:
        return ("restore", "delete")
    return ("unpin" if turn.pinned else "pin", "forget", "delete")


def _as_text(text: str) -> str:
    return f'<p class="mb-plain">{escape(text)}</p>'


def _render_message(role: str, body: str, strings: Strings) -> str:
    name = escape(strings["you" if role == "user" else "companion"])
    return f'<div class="mb-bubble {role}"><span class="mb-hidden">{name}: </span>{body}</div>'


def _render_copy(text: str, strings: Strings) -> str:
    return (
        f'<button type="button" class="mb-do copy" data-copy="{escape(text)}" '
        f'data-done="{escape(strings["copied"])}">{escape(strings["copy"])}</button>'
    )


def _render_suggestions(suggestions: Sequence[str], strings: Strings) -> str:
    buttons = "".join(
        f'<li><button type="button" class="mb-suggestion" data-do="suggest" data-id="{number}">'
        f"{escape(text)}</button></li>"
        for number, text in enumerate(suggestions)
    )
    return (
        f'<div class="mb-start"><h2>{escape(strings["start"])}</h2>'
        f"<p>{escape(strings['chat_none'])}</p><ul>{buttons}</ul></div>"
    )


def render_conversations(
    conversations: Iterable[ListedConversation],
    current: str,
    today: date,
    strings: Strings,
    *,
    confirming: str | None = None,
) -> str:
    """Return the list of conversations by day, latest first.

    Args:
        conversations: The conversations.
        current: Name of the open one.
        today: The present day.
        strings: Texts of the page.
        confirming: Name of the conversation whose deletion must be confirmed.
    """
    days = "".join(
        f'<h3 class="mb-day">{escape(_format_day(day, today, strings))}</h3><ul>'
        + "".join(_render_conversation(item, current, confirming, strings) for item in items)
        + "</ul>"
        for day, items in groupby(conversations, key=lambda item: item.day)
    )
    return days or f'<p class="mb-empty">{escape(strings["conversations_none"])}</p>'


def _format_day(day: date, today: date, strings: Strings) -> str:
    if day == today:
        return strings["today"]
    return strings["yesterday"] if (today - day).days == 1 else format_day(day, strings)


def _render_conversation(
    item: ListedConversation, current: str, confirming: str | None, strings: Strings
) -> str:
    name, title = escape(item.session), escape(item.title)
    if item.session == confirming:
        return f"<li>{render_question(item.session, strings['sure_conversation'], strings)}</li>"
    is_current = ' aria-current="true"' if item.session == current else ""
    label = escape(f"{strings['delete']}: {item.title}")
    return (
        f'<li class="mb-listed"><button type="button" class="mb-conversation" data-do="open" '
        f'data-id="{name}"{is_current}>{title}</button><button type="button" class="mb-remove" '
        f'data-do="delete" data-id="{name}" aria-label="{label}" title="{label}">×</button></li>'
    )
