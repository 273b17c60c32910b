"""Session of one user on the page: the companion, and the memories it shows.

The server keeps one session for each browser session. Whatever the browser sends, a session reads
and changes only the memories of its user.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from langchain_core.language_models import BaseChatModel

from memorybank_core import (
    InvalidInputError,
    Memory,
    MemoryBank,
    MemoryBankError,
)
from memorybank_langchain.siliconfriend.companion import Companion

from . import markup
from .user_memory import UserMemory

Message = dict[str, str]

MAX_NAME_LENGTH = 100
_MAX_ERROR_LENGTH = 500


def clean_name(name: str, strings: markup.Strings) -> str:
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
        options: Keyword arguments of `Companion`.
    """

    def __init__(
        self,
        model: BaseChatModel,
        bank: MemoryBank,
        name: str,
        strings: markup.Strings,
        **options: Any,
    ) -> None:
        conversation = _find_todays_conversation(bank, name)
        companion = Companion(model, bank, user_id=name, session=conversation, **options)
        super().__init__(companion, strings)
        self._answering = threading.Lock()

    def messages(self) -> list[Message]:
        """Return the messages of the current conversation."""
        return [message for memory in self.companion.history() for message in _to_messages(memory)]

    def say(self, text: str, settings: dict[str, Any]) -> Iterator[list[Message]]:
        """Yield the conversation with `text` and the growing answer.

        Raises:
            InvalidInputError: If another answer is in progress.
        """
        messages = [*self.messages(), _make_message("user", text)]
        yield from self._stream_answer(messages, lambda: self.companion.say(text, **settings))

    def again(self, settings: dict[str, Any]) -> Iterator[list[Message]]:
        """Yield the conversation with a new, growing answer to the last message.

        Raises:
            LookupError: If this conversation has no turns.
            InvalidInputError: If another answer is in progress.
        """
        last = _to_messages(self._require_last())
        messages = [*self.messages()[: -len(last)], *last[:1]]
        yield from self._stream_answer(messages, lambda: self.companion.again(**settings))

    def _stream_answer(
        self, messages: list[Message], ask: Callable[[], Iterator[str]]
    ) -> Iterator[list[Message]]:
        self._lock()
        answer = ""
        try:
            yield [*messages, _make_message("assistant", self.strings["thinking"])]
            for piece in ask():
                answer += piece
                yield [*messages, _make_message("assistant", answer)]
            yield [*messages, _make_message("assistant", answer)] if answer.strip() else messages
        except MemoryBankError as error:
            reason = " ".join(str(error).split())[:_MAX_ERROR_LENGTH]
            failure = self.strings["failed"].format(error=reason)
            yield [*messages, _make_message("assistant", failure)]
        finally:
            self._answering.release()

    def stop(self) -> None:
        """Stop the current answer; the part received so far is stored."""
        self.companion.stop()

    def take_back(self) -> None:
        """Permanently erase the last turn of this conversation.

        Raises:
            LookupError: If this conversation has no turns.
            InvalidInputError: If an answer is in progress.
        """
        self._require_last()
        self._lock()
        try:
            self.companion.take_back()
        finally:
            self._answering.release()

    def new_conversation(self) -> None:
        """Start a new conversation; earlier ones stay in memory."""
        self.stop()
        self.companion.new_conversation()

    def _lock(self) -> None:
        if not self._answering.acquire(blocking=False):
            raise InvalidInputError(self.strings["busy"])

    def _require_last(self) -> Memory:
        turns = self.companion.history(last=1)
        if not turns:
            raise LookupError(self.strings["no_turns"])
        return turns[0]

    def render_conversation(self) -> str:
        """Return the current conversation as HTML."""
        return markup.render_conversation(self.messages(), self.strings)


def _make_message(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _to_messages(memory: Memory) -> list[Message]:
    """Return the messages of a turn, without empty ones."""
    turn = memory.turn
    texts = (("user", turn.query), ("assistant", turn.response)) if turn else ()
    return [_make_message(role, text) for role, text in texts if text.strip()]


def _find_todays_conversation(bank: MemoryBank, user_id: str) -> str | None:
    """Return the user's last conversation if it has a turn of today, else None."""
    latest = bank.timeline(user_id=user_id, kind="turn", last=1)
    today = bank.day_of(datetime.now(timezone.utc))
    return latest[0].session if latest and latest[0].day == today else None
