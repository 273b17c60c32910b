"""A user's conversations: their titles, search in them, and suggestions for a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain

from memorybank_core import Memory

TITLE_LENGTH = 60
"""Maximum number of characters of a title."""
_QUOTE_LENGTHS = range(8, 91)
_QUOTE_LENGTHS_CHINESE = range(4, 46)


@dataclass(frozen=True)
class ListedConversation:
    """A conversation in the list.

    Attributes:
        session: Its name in the bank.
        title: Beginning of the user's first message.
        day: Day of its last turn.
    """

    session: str
    title: str
    day: date


def list_conversations(turns: Iterable[Memory], search: str = "") -> list[ListedConversation]:
    """Return the conversations with all words of `search` in one turn, latest first.

    Args:
        turns: The user's turns, oldest first. Turns without a session belong to no conversation.
        search: Words to search for; "" returns all conversations.
    """
    by_session: dict[str, list[Memory]] = {}
    for turn in turns:
        if turn.session:
            by_session.setdefault(turn.session, []).append(turn)
    words = search.casefold().split()
    matching = [turns for turns in by_session.values() if _contains(turns, words)]
    matching.sort(key=lambda turns: turns[-1].created_at, reverse=True)
    return [
        ListedConversation(turns[0].session or "", _title(turns), turns[-1].day)
        for turns in matching
    ]


def _contains(turns: Sequence[Memory], words: Sequence[str]) -> bool:
    texts = (turn.text.casefold() for turn in turns)
    return not words or any(all(word in text for word in words) for text in texts)


def _title(turns: Sequence[Memory]) -> str:
    """Return the beginning of the first message that the user wrote."""
    queries = (turn.turn.query if turn.turn else "" for turn in turns)
    title = next(filter(None, (" ".join(query.split()) for query in queries)), turns[0].text)
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"


def choose_quotes(turns: Sequence[Memory], count: int = 3) -> list[str]:
    """Return statements of the user to talk about again: the latest, the strongest, the first.

    Questions, very short and long messages are left out, and so are archived turns.

    Args:
        turns: The user's turns, oldest first.
        count: Maximum number of statements.
    """
    candidates = [turn for turn in turns if turn.archived_at is None and _is_statement(turn)]
    by_strength = sorted(
        candidates, key=lambda turn: (turn.pinned, turn.strength, turn.created_at), reverse=True
    )
    order = chain(candidates[-1:], by_strength[:2], candidates, by_strength)
    quotes = dict.fromkeys(turn.turn.query.strip() for turn in order if turn.turn)
    return list(quotes)[:count]


def _is_statement(memory: Memory) -> bool:
    query = memory.turn.query.strip() if memory.turn else ""
    is_chinese = any("\u4e00" <= character <= "\u9fff" for character in query)
    lengths = _QUOTE_LENGTHS_CHINESE if is_chinese else _QUOTE_LENGTHS
    return len(query) in lengths and not any(mark in query for mark in "?？\n")
