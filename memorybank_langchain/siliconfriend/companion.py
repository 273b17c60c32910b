"""Companion: one person's conversation with SiliconFriend, as its terminal and its page have it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from memorybank_core import AnswerError, Context, DeletionReceipt, Memory, MemoryBank
from memorybank_core.validation import require_query

from .chain import siliconfriend
from .prompt_window import fitted
from .stoppable import StoppableModel, Stopped

PATIENCE = 120.0


class Companion:
    """One person's conversation: what they say is kept, and answered piece by piece.

    Args:
        model: Any chat model of LangChain's.
        bank: Where the memories are; several companions may share it.
        user_id: Whose memory.
        session: The conversation to go on with; None begins one.
        patience: Seconds without a piece of the answer after which it is given up.
        options: The keywords of `siliconfriend`.

    Attributes:
        session: The conversation's name.
        recalled: What was recalled for the last answer; None before the first.
    """

    def __init__(
        self,
        model: BaseChatModel,
        bank: MemoryBank,
        *,
        user_id: str,
        session: str | None = None,
        patience: float = PATIENCE,
        **options: Any,
    ) -> None:
        self.bank, self.user_id = bank, user_id
        self.session = session or _new_session()
        self.recalled: Context | None = None
        self._patience = patience
        self._model, self._options = model, options
        self._stop = threading.Event()
        self._erased: set[str] = set()

    def say(self, text: str, **settings: Any) -> Iterator[str]:
        """The answer to `text`, piece by piece.

        What is said is on disk before the model is asked. Closing the iterator stops the answer,
        and so does `stop`; what had come of it is kept.

        Args:
            text: What the person says.
            settings: How the model chooses its words, such as temperature, as it takes them.

        Raises:
            LLMError: The model failed, said nothing for as long as `patience`, or answered
                nothing (AnswerError). What was said is kept: go on, or take `again`.
            InvalidInputError: There is nothing in `text`.
        """
        require_query(text)
        self._stop = stop = threading.Event()
        session, whole = self.session, ""
        stream: Any = self._chain(settings, stop).stream({"input": text})
        try:
            with closing(stream):
                for piece in filter(None, stream):
                    whole += piece
                    yield piece
        except Stopped:
            return
        finally:
            self._erase_again(session)
        if not whole.strip():
            raise AnswerError("the model answered nothing")

    def stop(self) -> None:
        """Ends the answer under way at once, from any thread; what had come of it is kept."""
        self._stop.set()

    def again(self, **settings: Any) -> Iterator[str]:
        """Another answer to what was said last, in the place of the one that there is.

        Raises:
            LookupError: Nothing was said in this conversation.
            LLMError: As for `say`.
        """
        last = self.take_back()
        yield from self.say(last.turn.query if last.turn else "", **settings)

    def take_back(self) -> Memory:
        """Erases the last turn of this conversation for good, and returns it.

        Raises:
            LookupError: Nothing was said in this conversation.
        """
        said = self.said(last=1)
        if not said:
            raise LookupError("nothing was said in this conversation yet")
        self.erase([said[0].id])
        return said[0]

    def erase(self, ids: Collection[str]) -> DeletionReceipt:
        """Erases memories for good; also a turn whose answer is under way, at its end."""
        self._erased.update(ids)
        return self.bank.delete(ids=ids, user_id=self.user_id)

    def said(self, last: int | None = None) -> list[Memory]:
        """The turns of this conversation, the oldest first; or only the latest so many."""
        return self.bank.timeline(
            user_id=self.user_id, kind="turn", session=self.session, last=last
        )

    def begin_anew(self) -> None:
        """Begins another conversation; what was said stays remembered."""
        self.session, self.recalled = _new_session(), None

    def _chain(self, settings: dict[str, Any], stop: threading.Event) -> Runnable[Any, str]:
        model = fitted(self._model.bind(**settings) if settings else self._model)
        return siliconfriend(
            StoppableModel(model, self._patience, stop),
            self.bank,
            user_id=self.user_id,
            session=self.session,
            on_recall=self._note,
            **self._options,
        )

    def _note(self, context: Context) -> None:
        self.recalled = context

    def _erase_again(self, session: str) -> None:
        """At the end of an answer, which keeps its turn: unless that was erased meanwhile."""
        if not self._erased:
            return
        said = self.bank.timeline(user_id=self.user_id, kind="turn", session=session)
        if back := [memory.id for memory in said if memory.id in self._erased]:
            self.bank.delete(ids=back, user_id=self.user_id)


def _new_session() -> str:
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}-{uuid4().hex[:6]}"
