"""A language model's place taken by the memory: answers that only quote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from memorybank_core.errors import InvalidInputError
from memorybank_core.validation import require_moment, require_user

from .answer import quote_answer
from .phrases import Quotation

if TYPE_CHECKING:
    from memorybank_core.bank import MemoryBank

RECALLED = 20
"""Number of memories that an answer chooses from."""


class QuotingLLM:
    """An `LLM` that answers the last message by quoting what the user said earlier.

    It needs no model and invents nothing: `QuotingLLM(bank, user_id="alice").ask("Which …?")`.
    It writes nothing. To keep a conversation, call `complete` of a turn with
    `remember_answer=False`, so that quotes are not recalled as if they were said again.

    Args:
        bank: Bank with the memories.
        user_id: User whose memories are quoted.
    """

    name = "quotation"

    def __init__(self, bank: MemoryBank, *, user_id: str) -> None:
        require_user(user_id)
        self._bank, self._user_id = bank, user_id

    def ask(self, message: str, *, now: datetime | None = None) -> Quotation:
        """Return the answer to a message, with the memories that it quotes.

        Args:
            message: The user's message.
            now: The time that relative days and forgetting refer to; default the present.

        Raises:
            InvalidInputError: If an argument is not valid.
            EmbedderError: If the embedder failed or returned a vector that cannot be used.
            StoreError: If the store cannot be read.
        """
        bank, now = self._bank, require_moment(now)
        results = bank.search(message, user_id=self._user_id, k=RECALLED, now=now)
        return quote_answer(message, results, today=bank.day_of(now), language=bank.language)

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        """Return the answer to the last message of the user; see `LLM.complete`.

        Quotes are short: `max_tokens` and `stop` change nothing.

        Raises:
            InvalidInputError: If there is no message of the user.
        """
        queries = [message["content"] for message in messages if message.get("role") == "user"]
        if not queries:
            raise InvalidInputError("messages must contain a message with the role 'user'")
        return self.ask(queries[-1]).text

    def __repr__(self) -> str:
        return f"QuotingLLM(user_id={self._user_id!r})"
