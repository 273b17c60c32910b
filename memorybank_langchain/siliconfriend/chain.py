"""SiliconFriend, the companion of the MemoryBank paper (section 3), as a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough

from memorybank_core import Context, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE
from memorybank_core.quotation.quoting_llm import RECALLED
from memorybank_langchain.runnable import with_memory

from .personas import persona
from .prompt_window import fit_to_window
from .quoting_model import QuotingModel, recalled_messages

PROMPT = ChatPromptTemplate(
    [("system", "{persona}"), ("placeholder", "{history}"), ("human", "{message}")]
)
_QUOTED_TOKENS = 100_000
"""Maximum length of the recalled text where no model reads it."""


def siliconfriend(
    model: Runnable[Any, Any],
    bank: MemoryBank,
    *,
    user_id: str,
    user_name: str | None = None,
    name: str = "SiliconFriend",
    care: str | None = None,
    brief: bool = False,
    session: str | None = None,
    k: int | None = None,
    recent: int = 6,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    on_recall: Callable[[Context], object] | None = None,
    remember_answers: bool = True,
) -> Runnable[Any, str]:
    """Build a companion with memory: `siliconfriend(model, bank, user_id="Lena").invoke("Hi!")`.

    The prompt contains the persona, the latest turns and, before the user's message, the portrait,
    the overall summary and the recalled memories with their dates. `with_memory` recalls memories
    and stores turns. The companion speaks the bank's language.

    Args:
        model: Any LangChain chat model; `chat_model()` answers by quoting memories.
        bank: Bank with the memories.
        user_id: User whose memories are used.
        user_name: Name of the user in the prompt; None uses `user_id`.
        name: Name of the companion.
        care: Instructions on crisis and professional help; None uses `CARE`.
        brief: Whether to use the short prompt for tiny models, as in `persona`.
        session: Name of the conversation; None uses `thread_id` of each call's config, or one
            conversation per day.
        k: Maximum number of recalled memories; None takes as many as fit.
        recent: Number of latest turns included verbatim.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        on_recall: Called with the recalled context before the model is called.
        remember_answers: Whether answers become part of the memory, as in `with_memory`. Quotes
            never do.

    Raises:
        InvalidInputError: If an argument is invalid; some are checked only by a call.
    """
    quotes = isinstance(model, QuotingModel)
    if quotes:
        remember_answers, k, max_tokens = False, k or RECALLED, _QUOTED_TOKENS
    instructions = persona(
        bank.language, user=user_name or user_id, name=name, care=care, brief=brief
    )
    chain = _quote(model, bank) if quotes else _prompt(model, instructions, brief)
    return with_memory(
        chain,
        bank,
        user_id=user_id,
        history_key=None if quotes else "history",  # what is in view may be quoted too
        session=session,
        k=k,
        recent=recent,
        max_tokens=max_tokens,
        min_relevance=min_relevance,
        on_recall=on_recall,
        remember_answers=remember_answers,
    )


def _quote(model: Runnable[Any, Any], bank: MemoryBank) -> Runnable[Any, Any]:
    """Return the chain that passes the recalled memories to a quoting model."""
    return RunnableLambda(partial(recalled_messages, bank)) | model | StrOutputParser()


def _prompt(model: Runnable[Any, Any], instructions: str, brief: bool) -> Runnable[Any, Any]:
    """Return the chain that passes the recalled text to a language model, in a prompt."""
    inputs = RunnablePassthrough.assign(
        persona=lambda _: instructions, message=_message_with_memory
    )
    if brief:
        inputs = RunnablePassthrough.assign(
            persona=lambda values: f"{instructions}\n\n{values['memory']}".strip(),
            message=itemgetter("input"),
        )
    return inputs | PROMPT | fit_to_window(model) | StrOutputParser()


def _message_with_memory(values: Mapping[str, Any]) -> str:
    """Return the recalled memories followed by the user's message.

    The memories vary from turn to turn. At the end of the prompt they leave its cached prefix
    valid.
    """
    return f"{values['memory']}\n\n{values['input']}".strip()
