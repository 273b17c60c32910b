"""What is recalled for the input of a chain: whose memory, for which words, beside which turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage, convert_to_messages
from langchain_core.runnables import RunnableConfig

from memorybank_core import Context, InvalidInputError, Memory, MemoryBank
from memorybank_core.validation import require_user

from .messages import messages_of, text_of
from .run_config import user_of


@dataclass(frozen=True)
class InputRecall:
    """Finds what answers an input."""

    bank: MemoryBank
    user_id: str | None
    input_key: str
    k: int
    max_tokens: int
    recent: int = 0

    def __post_init__(self) -> None:
        if self.user_id is not None:
            require_user(self.user_id)

    def of(
        self, input: Any, config: RunnableConfig | None, session: str | None = None
    ) -> tuple[str, str, Context, list[BaseMessage]]:
        """The user, their words, what is recalled for them, and what was said last."""
        user_id, query = user_of(self.user_id, config), self._words_in(input)
        latest = self._latest(user_id, session)
        context = self.bank.context(
            query if query.strip() else None,  # a picture alone, say
            user_id=user_id,
            k=self.k,
            max_tokens=self.max_tokens,
            without={memory.id for memory in latest},
        )
        return user_id, query, context, [said for one in latest for said in messages_of(one)]

    def _latest(self, user_id: str, session: str | None) -> list[Memory]:
        if not self.recent:
            return []
        since = None if session else self.bank.day_of(datetime.now(timezone.utc))
        return self.bank.timeline(
            user_id=user_id, kind="turn", session=session, since=since, last=self.recent
        )

    def _words_in(self, input: Any) -> str:
        told = input
        if isinstance(input, Mapping):
            if self.input_key not in input:
                raise InvalidInputError(
                    f"the input has no {self.input_key!r}, only {sorted(map(str, input))}; "
                    "input_key=... names what the user says"
                )
            told = input[self.input_key]
        if isinstance(told, str):
            return told
        messages = [told] if isinstance(told, BaseMessage) else told
        if not isinstance(messages, Sequence):
            raise InvalidInputError(f"the user's words must be text or messages, not {told!r:.200}")
        human = [one for one in convert_to_messages(messages) if isinstance(one, HumanMessage)]
        return text_of(human[-1]) if human else ""
