"""Session of one user on the page: the conversation, and what the page shows of it.

The server keeps one session for each browser session. Whatever the browser sends, a session reads
and changes only the memories of its user.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from langchain_core.language_models import BaseChatModel

from memorybank_core import InvalidInputError, Memory, MemoryBank, MemoryBankError
from memorybank_core.web.html_text import Strings
from memorybank_langchain.siliconfriend.companion import Companion

from . import conversation_markup, markup
from .conversations import choose_quotes, list_conversations
from .deletions import PendingDeletions
from .user_memory import UserMemory

MAX_NAME_LENGTH = 100
_MAX_ERROR_LENGTH = 500


def clean_name(name: str, strings: Strings) -> str:
    """Return a name with whitespace reduced to single spaces.

    Raises:
        InvalidInputError: If the name is empty, too long, or has control characters.
    """
    name = " ".join(name.split())
    if not name:
        raise InvalidInputError(strings["no_name"])
    if len(name) > MAX_NAME_LENGTH or any(
        unicodedata.category(character)[0] == "C" for character in name
    ):
        raise InvalidInputError(strings["bad_name"])
    return name


class UserSession(UserMemory):
    """One user's session on the page.

    Args:
        model: Chat model that answers.
        bank: Bank with the memories.
        name: Name of the user, used as `user_id`.
        strings: Texts of the page.
        deletions: Pending deletions of the page.
        options: Keyword arguments of `Companion`.

    Attributes:
        search: Words that the listed conversations contain.
        editing: Id of the turn whose message is being edited.
        suggestions: Messages offered to begin a conversation with.
    """

    def __init__(
        self,
        model: BaseChatModel,
        bank: MemoryBank,
        name: str,
        strings: Strings,
        deletions: PendingDeletions,
        **options: Any,
    ) -> None:
        conversation = _find_todays_conversation(bank, name)
        companion = Companion(model, bank, user_id=name, session=conversation, **options)
        super().__init__(companion, strings, deletions)
        self.search, self.editing = "", ""
        self.suggestions: list[str] = []
        self._answering = threading.Lock()

    def say(self, text: str, settings: dict[str, Any]) -> Iterator[str]:
        """Return the growing answer to `text`, which replaces the message being edited.

        Raises:
            NoAnswerError: If there is no answer. The message is stored.
            InvalidInputError: If another answer is in progress.
        """
        self.deletions.finish(self.user_id)  # what is deleted is not recalled
        edited, self.editing = self.editing, ""
        if edited and edited == self._last_id():
            return self._answer(lambda: self._say_instead(edited, text, settings))
        return self._answer(lambda: self.companion.say(text, **settings))

    def _say_instead(self, edited: str, text: str, settings: dict[str, Any]) -> Iterator[str]:
        self.companion.erase([edited])
        yield from self.companion.say(text, **settings)

    def again(self, settings: dict[str, Any]) -> Iterator[str]:
        """Return a new, growing answer to the last message.

        Raises:
            NoAnswerError: If there is no answer. The message is stored.
            LookupError: If this conversation has no turns.
            InvalidInputError: If another answer is in progress.
        """
        self.deletions.finish(self.user_id)
        self.require_last()
        return self._answer(lambda: self.companion.again(**settings))

    def _answer(self, ask: Callable[[], Iterator[str]]) -> Iterator[str]:
        self._lock()
        answer = ""
        try:
            for piece in ask():
                answer += piece
                yield answer
        except MemoryBankError as error:
            reason = " ".join(str(error).split())[:_MAX_ERROR_LENGTH]
            raise NoAnswerError(self.strings["failed"].format(error=reason)) from error
        finally:
            self._answering.release()

    def edit(self, turn_id: object) -> str:
        """Start editing the last message of the conversation; return it.

        Raises:
            LookupError: If it is not the last one.
        """
        last = self.require_last()
        if last.id != turn_id or last.turn is None:
            raise LookupError(self.strings["gone"])
        self.editing = last.id
        return last.turn.query

    def stop(self) -> None:
        """Stop the current answer; the part received so far is stored."""
        self.companion.stop()

    def new_conversation(self) -> None:
        """Start a new conversation; earlier ones stay in memory."""
        self.stop()
        self.companion.new_conversation()
        self.editing = ""

    def open_conversation(self, session: object) -> None:
        """Continue an earlier conversation.

        Raises:
            LookupError: If the user has no such conversation.
        """
        if not isinstance(session, str) or not any(
            turn.session == session for turn in self.read_turns()
        ):
            raise LookupError(self.strings["gone"])
        self.new_conversation()
        self.companion.session = session

    def delete_conversation_later(self, session: str) -> None:
        """Permanently delete a conversation, unless this is undone within `UNDO_SECONDS`.

        Raises:
            LookupError: If the user has no such conversation.
        """
        ids = frozenset(turn.id for turn in self.read_turns() if turn.session == session)
        if not ids:
            raise LookupError(self.strings["gone"])
        if session == self.companion.session:
            self.new_conversation()
        self.confirming = None
        self.deletion = self.deletions.add(self.user_id, lambda: self.delete(*ids), ids)

    def _lock(self) -> None:
        if not self._answering.acquire(blocking=False):
            raise InvalidInputError(self.strings["busy"])

    def require_last(self) -> Memory:
        """Return the last turn of the conversation.

        Raises:
            LookupError: If this conversation has no turns.
        """
        turns = self.companion.history(last=1)
        if not turns:
            raise LookupError(self.strings["no_turns"])
        return turns[0]

    def _last_id(self) -> str:
        turns = self.companion.history(last=1)
        return turns[0].id if turns else ""

    def read_turns(self) -> list[Memory]:
        """Return the user's turns of all conversations, archived ones too, oldest first."""
        turns = self.bank.timeline(user_id=self.user_id, kind="turn", archived=True)
        return [turn for turn in turns if not self.hides(turn.id)]

    def render_conversation(
        self, turns: Sequence[Memory], *, answering: bool = False, without_last: bool = False
    ) -> str:
        """Return the current conversation as HTML; suggestions if it is empty.

        Args:
            turns: The user's turns, as from `read_turns`.
            answering: Whether a turn is being answered, which is shown below; no suggestions.
            without_last: Whether that turn replaces the last one, which is left out.
        """
        shown = [turn for turn in turns if turn.session == self.companion.session]
        last_id = next((turn.id for turn in reversed(shown) if turn.archived_at is None), None)
        if without_last:
            shown = [turn for turn in shown if turn.id != last_id]
        self.suggestions = [] if shown or answering else self._suggest(turns)
        if answering and not shown:
            return ""
        return conversation_markup.render_conversation(
            shown,
            self.suggestions,
            self.strings,
            last_id=last_id,
            confirming=self.confirming_in("chat"),
        )

    def _suggest(self, turns: Sequence[Memory]) -> list[str]:
        quotes = choose_quotes(turns)
        texts = [
            self.strings[f"suggest_{number}"].format(text=quote.rstrip(".。"))
            for number, quote in enumerate(quotes, 1)
        ]
        return texts + [self.strings[f"start_{number}"] for number in range(len(texts) + 1, 4)]

    def render_conversations(self, turns: Sequence[Memory]) -> str:
        """Return the list of conversations as HTML."""
        return conversation_markup.render_conversations(
            list_conversations(turns, self.search),
            self.companion.session,
            self.bank.day_of(datetime.now(timezone.utc)),
            self.strings,
            confirming=self.confirming_in("conversations"),
        )

    def render_head(self, turns: Sequence[Memory]) -> str:
        """Return the greeting as HTML."""
        remembered = [turn for turn in turns if turn.archived_at is None]
        first_day = remembered[0].day if remembered else None
        return markup.render_head(self.user_id, len(remembered), first_day, self.strings)


class NoAnswerError(Exception):
    """There is no answer; the message says why, for the page."""


def _find_todays_conversation(bank: MemoryBank, user_id: str) -> str | None:
    """Return the user's last conversation if it has a turn of today, else None."""
    latest = bank.timeline(user_id=user_id, kind="turn", last=1)
    today = bank.day_of(datetime.now(timezone.utc))
    return latest[0].session if latest and latest[0].day == today else None
