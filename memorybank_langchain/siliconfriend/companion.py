"""One user's conversation with SiliconFriend, the base of its terminal and web apps."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable

from memorybank_core import (
    AnswerError,
    Context,
    DeletionReceipt,
    InvalidInputError,
    Memory,
    MemoryBank,
)
from memorybank_core.validation import require_query
from memorybank_langchain.run_config import REPLACED_KEY

from .chain import siliconfriend
from .prompt_window import fit_to_window
from .quoting_model import QuotingModel
from .stoppable import StoppableModel, Stopped

PATIENCE = 120.0  # seconds


def require_patience(patience: float) -> None:
    """Raise InvalidInputError unless a time without output, in seconds, is more than 0."""
    if not patience > 0:
        raise InvalidInputError(f"the patience must be more than 0 seconds, not {patience:g}")


class Companion:
    """One user's conversation with SiliconFriend: stores messages and streams answers.

    Args:
        model: Any LangChain chat model.
        bank: Bank with the memories; several companions may share it.
        user_id: User whose memories are used.
        session: Name of a conversation to continue; None starts a new one.
        patience: Seconds without output after which an answer is aborted.
        options: Further keyword arguments of `siliconfriend`.

    Raises:
        InvalidInputError: If `patience` is not more than 0.

    Attributes:
        session: Name of the conversation.
        recalled: Context recalled for the last answer; None before the first.
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
        require_patience(patience)
        self.bank, self.user_id = bank, user_id
        self.session = session or _create_session_name()
        self.recalled: Context | None = None
        self._patience = patience
        self._model, self._options = model, options
        self._stop = threading.Event()

    def say(self, text: str, **settings: Any) -> Iterator[str]:
        """Stream the answer to `text`.

        The message is on disk before the model is called. Closing the iterator or calling `stop`
        ends the answer; the part received so far is stored.

        Args:
            text: The user's message.
            settings: Sampling parameters of the model, such as temperature.

        Raises:
            LLMError: If the model fails, sends nothing for `patience` seconds, or returns an empty
                answer (AnswerError). The message stays stored: continue, or call `again`.
            InvalidInputError: If `text` is empty.
        """
        yield from self._answer(text, settings, {})

    def _answer(
        self, text: str, settings: dict[str, Any], configurable: dict[str, Any]
    ) -> Iterator[str]:
        require_query(text)
        self._stop = stop = threading.Event()
        answer = ""
        chain = self._build_chain(settings, stop)
        stream: Any = chain.stream({"input": text}, {"configurable": configurable})
        try:
            with closing(stream):
                for piece in filter(None, stream):
                    answer += piece
                    yield piece
        except Stopped:
            return
        if not answer.strip():
            raise AnswerError("the model returned an empty answer", reason="empty")

    def stop(self) -> None:
        """End the current answer immediately; the part received so far is stored.

        Any thread may call it.
        """
        self._stop.set()

    def again(self, *, turn: Memory | None = None, **settings: Any) -> Iterator[str]:
        """Stream another answer to the last message.

        The new answer replaces the earlier one at its end. If the model fails, or the answer is
        stopped before its first piece, the earlier one stays.

        Args:
            turn: The turn, as `history` returns it; None takes the last one.
            settings: Sampling parameters of the model, such as temperature.

        Raises:
            LookupError: If this conversation has no turns.
            LLMError: As for `say`.
        """
        turn = turn or self._require_last()
        yield from self.edit(turn.turn.query if turn.turn else "", turn=turn, **settings)

    def edit(self, text: str, *, turn: Memory | None = None, **settings: Any) -> Iterator[str]:
        """Stream the answer to another text of the last message.

        Both replace the stored turn at the end of the answer, and keep its time, strength and pin.
        Without an answer, as in `again`, the turn stays as it was.

        Args:
            text: The new text.
            turn: The turn, as `history` returns it; None takes the last one.
            settings: Sampling parameters of the model, such as temperature.

        Raises:
            LookupError: If this conversation has no turns.
            LLMError: As for `say`.
            InvalidInputError: If `text` is empty.
        """
        yield from self._answer(text, settings, {REPLACED_KEY: turn or self._require_last()})

    def take_back(self) -> Memory:
        """Permanently erase the last turn of this conversation, and return it.

        Raises:
            LookupError: If this conversation has no turns.
        """
        last = self._require_last()
        self.erase([last.id])
        return last

    def erase(self, ids: Collection[str]) -> DeletionReceipt:
        """Permanently erase memories; a turn in progress is not stored again when its answer ends.

        Args:
            ids: Ids of memories of this user.
        """
        return self.bank.delete(ids=ids, user_id=self.user_id)

    def history(self, last: int | None = None) -> list[Memory]:
        """Return the turns of this conversation, oldest first, each with the answer as shown.

        Args:
            last: Maximum number of turns, the latest ones; None returns all.
        """
        options: dict[str, Any] = {"session": self.session, "kind": "turn", "last": last}
        return [_with_answer(m) for m in self.bank.timeline(user_id=self.user_id, **options)]

    def new_conversation(self) -> None:
        """Start a new conversation; earlier ones stay in memory."""
        self.session, self.recalled = _create_session_name(), None

    def said(self, last: int | None = None) -> list[Memory]:
        """Deprecated: use `history`."""
        _warn_renamed("said", "history")
        return self.history(last)

    def begin_anew(self) -> None:
        """Deprecated: use `new_conversation`."""
        _warn_renamed("begin_anew", "new_conversation")
        self.new_conversation()

    def _require_last(self) -> Memory:
        turns = self.history(last=1)
        if not turns:
            raise LookupError("this conversation has no turns yet")
        return turns[0]

    def _build_chain(self, settings: dict[str, Any], stop: threading.Event) -> Runnable[Any, str]:
        model: Runnable[Any, Any] = self._model
        if not isinstance(model, QuotingModel):  # which has no settings, and answers at once
            model = fit_to_window(model.bind(**settings) if settings else model)
            model = StoppableModel(model, self._patience, stop)
        return siliconfriend(
            model,
            self.bank,
            user_id=self.user_id,
            session=self.session,
            on_recall=self._save_context,
            **self._options,
        )

    def _save_context(self, context: Context) -> None:
        self.recalled = context


def _with_answer(memory: Memory) -> Memory:
    """Return a memory of a turn with the answer that was shown as its response."""
    turn = memory.turn
    if turn is None or turn.response == turn.answer:
        return memory
    return replace(memory, turn=replace(turn, response=turn.answer))


def _warn_renamed(old: str, new: str) -> None:
    warnings.warn(
        f"Companion.{old} is renamed to Companion.{new}; the old name will be removed in the next "
        "version",
        DeprecationWarning,
        stacklevel=3,
    )


def _create_session_name() -> str:
    return f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%S}-{uuid4().hex[:6]}"
