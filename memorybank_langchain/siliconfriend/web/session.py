"""A visit: one person on the page, their companion, and what they see of their memory.

Each browser session has one of its own on the server. Whatever a browser sends, it reads and
changes the memories of this person alone.
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

LONGEST_NAME = 100
_LONGEST_ERROR = 500


def called(name: str, words: markup.Words) -> str:
    """The name as it is used.

    Raises:
        InvalidInputError: There is none, or it cannot be one.
    """
    name = " ".join(name.split())
    if not name:
        raise InvalidInputError(words["no_name"])
    if len(name) > LONGEST_NAME or any(unicodedata.category(mark)[0] == "C" for mark in name):
        raise InvalidInputError(words["bad_name"])
    return name


class UserSession(UserMemory):
    """One person on the page.

    Args:
        model: What answers.
        bank: Where the memories are.
        name: Who it is; their `user_id`.
        words: The wording of the page.
        options: The keywords of `Companion`.
    """

    def __init__(
        self,
        model: BaseChatModel,
        bank: MemoryBank,
        name: str,
        words: markup.Words,
        **options: Any,
    ) -> None:
        session = _session_of_today(bank, name)
        companion = Companion(model, bank, user_id=name, session=session, **options)
        super().__init__(companion, words)
        self._answering = threading.Lock()

    def messages(self) -> list[Message]:
        """This conversation, as it is remembered."""
        return [message for memory in self.companion.said() for message in _messages(memory)]

    def say(self, text: str, settings: dict[str, Any]) -> Iterator[list[Message]]:
        """The conversation with `text` and the answer, as that grows.

        Raises:
            InvalidInputError: An answer is under way.
        """
        shown = [*self.messages(), _message("user", text)]
        yield from self._answered(shown, lambda: self.companion.say(text, **settings))

    def again(self, settings: dict[str, Any]) -> Iterator[list[Message]]:
        """The conversation with another answer to what was said last.

        Raises:
            LookupError: Nothing was said in this conversation.
            InvalidInputError: An answer is under way.
        """
        last = self._last()
        shown = [*self.messages()[: -len(_messages(last))], *_messages(last)[:1]]
        yield from self._answered(shown, lambda: self.companion.again(**settings))

    def _answered(
        self, shown: list[Message], ask: Callable[[], Iterator[str]]
    ) -> Iterator[list[Message]]:
        self._begin()
        answer = ""
        try:
            yield [*shown, _message("assistant", self.words["thinking"])]
            for piece in ask():
                answer += piece
                yield [*shown, _message("assistant", answer)]
            yield [*shown, _message("assistant", answer)] if answer.strip() else shown
        except MemoryBankError as error:
            told = " ".join(str(error).split())[:_LONGEST_ERROR]
            failure = self.words["failed"].format(error=told)
            yield [*shown, _message("assistant", failure)]
        finally:
            self._answering.release()

    def stop(self) -> None:
        """Ends the answer under way; what had come of it is kept."""
        self.companion.stop()

    def take_back(self) -> None:
        """Erases the last turn of this conversation.

        Raises:
            LookupError: Nothing was said in this conversation.
            InvalidInputError: An answer is under way.
        """
        self._last()
        self._begin()
        try:
            self.companion.take_back()
        finally:
            self._answering.release()

    def begin_anew(self) -> None:
        """Begins another conversation; what was said stays remembered."""
        self.stop()
        self.companion.begin_anew()

    def _begin(self) -> None:
        if not self._answering.acquire(blocking=False):
            raise InvalidInputError(self.words["busy"])

    def _last(self) -> Memory:
        said = self.companion.said(last=1)
        if not said:
            raise LookupError(self.words["nothing_said"])
        return said[0]

    def talk(self) -> str:
        """This conversation, as HTML."""
        return markup.talk(self.messages(), self.words)


def _message(role: str, text: str) -> Message:
    return {"role": role, "content": text}


def _messages(memory: Memory) -> list[Message]:
    """A turn as the messages that it has."""
    turn = memory.turn
    said = (("user", turn.query), ("assistant", turn.response)) if turn else ()
    return [_message(role, text) for role, text in said if text.strip()]


def _session_of_today(bank: MemoryBank, user_id: str) -> str | None:
    """The conversation to go on with: the last one, if something was said in it today."""
    latest = bank.timeline(user_id=user_id, kind="turn", last=1)
    today = bank.day_of(datetime.now(timezone.utc))
    return latest[0].session if latest and latest[0].day == today else None
