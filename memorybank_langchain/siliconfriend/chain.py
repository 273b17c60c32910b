"""SiliconFriend, the companion of the MemoryBank paper (section 3), as a chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnablePassthrough

from memorybank_core import Context, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS
from memorybank_langchain.runnable import with_memory

from .personas import persona
from .prompt_window import fitted

PROMPT = ChatPromptTemplate(
    [("system", "{persona}"), ("placeholder", "{history}"), ("human", "{words}")]
)


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
    k: int = 5,
    recent: int = 6,
    max_tokens: int = CONTEXT_TOKENS,
    on_recall: Callable[[Context], object] | None = None,
) -> Runnable[Any, str]:
    """A companion that knows its user: `siliconfriend(model, bank, user_id="Lena").invoke("Hi!")`.

    Its prompt has who it is, the latest turns, and before what the user says their portrait, the
    summary of all talks and what is recalled, with dates. Each turn is remembered as by
    `with_memory`. It speaks the bank's language.

    Args:
        model: Any chat model of LangChain's.
        bank: Where the memories are.
        user_id: Whose memory.
        user_name: What they are called; None for their id.
        name: What the companion is called.
        care: What it is told about crisis and professional help; None for `CARE`.
        brief: For a tiny model, which long instructions muddle: see `persona`.
        session: The conversation; None takes the day's, or `thread_id` of each call's config.
        k: How many memories are recalled at most.
        recent: How many of the latest turns are shown as they were.
        max_tokens: How long the recalled text may become.
        on_recall: Called with what was recalled, before the model is asked.
    """
    who = persona(bank.language, user=user_name or user_id, name=name, care=care, brief=brief)
    told = RunnablePassthrough.assign(persona=lambda _: who, words=_words)
    if brief:
        told = RunnablePassthrough.assign(
            persona=lambda known: f"{who}\n\n{known['memory']}".strip(), words=itemgetter("input")
        )
    chain = told | PROMPT | fitted(model) | StrOutputParser()
    return with_memory(
        chain,
        bank,
        user_id=user_id,
        history_key="history",
        session=session,
        k=k,
        recent=recent,
        max_tokens=max_tokens,
        on_recall=on_recall,
    )


def _words(known: Mapping[str, Any]) -> str:
    """What the user says, after what is remembered: it changes most often, so it stands last."""
    return f"{known['memory']}\n\n{known['input']}".strip()
