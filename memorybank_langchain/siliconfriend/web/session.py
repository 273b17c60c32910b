"""Session of one user on the page: the conversation, and what the page shows of it.

The server keeps one session for each browser session. Whatever the browser sends, a session reads
and changes only the memories of its user.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime, timezone
from typing import Any, cast

from langchain_core.language_models import BaseChatModel

from memorybank_core import InvalidInputError, Memory, MemoryBank, MemoryBankError
from memorybank_core.web.html_text import Strings
from memorybank_langchain.siliconfriend.companion import Companion

from . import conversation_markup, markup
from .conversations import choose_quotes, list_conversations
from .deletions import PendingDeletions
from .user_memory import UserMemory

MAX_NAME_LENGTH = 100


def clean_name(name: str, strings: Strings) -> str:
    """Return a name with whitespace reduced to single spaces.

    Names of some scripts need format characters, such as the joiners in Persian names.

    Raises:
        InvalidInputError: If the name is empty, too long, or has control characters or surrogates.
    """
    name = " ".join(name.split())
    categories = {unicodedata.category(character) for character in name}
    if categories <= {"Cf", "Zs"}:  # nothing would be visible
        raise InvalidInputError(strings["no_name"])
    if len(name) > MAX_NAME_LENGTH or categories & {"Cc", "Cs"}:
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
            InvalidInputError: If another answer is in progress.
            StaleConversationError: If the message being edited is not the last one any more.
            NoAnswerError: From the iterator, if there is no answer.
        """

        def ask() -> Iterator[str]:
            edited, self.editing = self.editing, ""
            if not edited:
                return self.companion.say(text, **settings)
            return self.companion.edit(text, turn=self.require_last(edited), **settings)

        return self._start_answer(ask)

    def again(self, turn_id: object, settings: dict[str, Any]) -> Iterator[str]:
        """Return another, growing answer to the last message.

        Raises:
            InvalidInputError: If another answer is in progress.
            StaleConversationError: If the turn is not the last one.
            NoAnswerError: From the iterator, if there is no answer.
        """
        return self._start_answer(
            lambda: self.companion.again(turn=self.require_last(turn_id), **settings)
        )

    def _start_answer(self, ask: Callable[[], Iterator[str]]) -> Iterator[str]:
        answers = self._answer(ask)
        next(answers)  # the message is accepted, or an error is raised
        return answers

    def _answer(self, ask: Callable[[], Iterator[str]]) -> Iterator[str]:
        if not self._answering.acquire(blocking=False):
            raise InvalidInputError(self.strings["busy"])
        try:
            self.deletions.finish(self.user_id)  # what is deleted is not recalled
            with closing(cast(Generator[str], ask())) as pieces:
                yield ""
                yield from self._join(pieces)
        finally:
            self._answering.release()

    def _join(self, pieces: Iterator[str]) -> Iterator[str]:
        """Return the growing answer.

        Raises:
            NoAnswerError: If there is no answer.
        """
        answer = ""
        try:
            for piece in pieces:
                answer += piece
                yield answer
        except MemoryBankError as error:
            raise NoAnswerError(error) from error

    def edit(self, turn_id: object) -> str:
        """Start editing the last message of the conversation; return it.

        Raises:
            StaleConversationError: If it is not the last one.
        """
        last = self.require_last(turn_id)
        self.editing = last.id
        return last.turn.query if last.turn else ""

    def render_waiting(self) -> str:
        """Return the turns of this conversation that an outage keeps in memory as HTML."""
        waiting = self.bank.backlog.waiting(self.user_id).values()
        turns = [item.turn for item in waiting if item.session == self.companion.session]
        return conversation_markup.render_waiting(turns, self.strings)

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

    def require_last(self, turn_id: object) -> Memory:
        """Return the last turn of the conversation, which the browser must know.

        Raises:
            StaleConversationError: If it has another id.
        """
        turns = [turn for turn in self.companion.history() if not self.hides(turn.id)]
        if not turns or turns[-1].id != turn_id:
            raise StaleConversationError(self.strings["moved_on"])
        return turns[-1]

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


class StaleConversationError(LookupError):
    """The conversation was continued or changed elsewhere, such as in another tab."""


class NoAnswerError(Exception):
    """There is no answer.

    Args:
        error: Why.
    """

    def __init__(self, error: MemoryBankError) -> None:
        super().__init__(str(error))
        self.error = error


def _find_todays_conversation(bank: MemoryBank, user_id: str) -> str | None:
    """Return the user's last conversation if it has a turn of today, else None."""
    latest = bank.timeline(user_id=user_id, kind="turn", last=1)
    today = bank.day_of(datetime.now(timezone.utc))
    return latest[0].session if latest and latest[0].day == today else None
