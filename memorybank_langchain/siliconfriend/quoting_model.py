"""Chat model that answers by quoting the memories recalled for a message: no model, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import RunnableConfig

from memorybank_core import MemoryBank
from memorybank_core.quotation.answer import quote_answer
from memorybank_langchain.messages import extract_text
from memorybank_langchain.run_config import CONTEXT_KEY

_RECALLED = "memorybank_recalled"
"""Key of the search results, the day and the language in the `additional_kwargs` of a message."""


class QuotingModel(BaseChatModel):
    """Chat model that answers the last message by quoting memories, for `siliconfriend`.

    The chain passes it the recalled memories with the message. Elsewhere it remembers nothing; for
    plain Python see `memorybank_core.QuotingLLM`.
    """

    @property
    def _llm_type(self) -> str:
        return "quotation"

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return "quotation"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        last = messages[-1]
        recalled = last.additional_kwargs.get(_RECALLED, {"results": (), "today": _utc_today()})
        answer = quote_answer(extract_text(last), **recalled)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer.text))])


def recalled_messages(
    bank: MemoryBank, values: Mapping[str, Any], config: RunnableConfig
) -> Sequence[BaseMessage]:
    """Return the user's message with the memories that were recalled for it.

    Args:
        bank: Bank with the memories.
        values: Input of a chain with memory.
        config: Config of the run, with the recalled context.
    """
    context = config["configurable"][CONTEXT_KEY]
    recalled = {
        "results": context.results,
        "today": bank.day_of(datetime.now(timezone.utc)),
        "language": bank.language,
    }
    return [HumanMessage(values["input"], additional_kwargs={_RECALLED: recalled})]


def _utc_today() -> Any:
    return datetime.now(timezone.utc).date()
