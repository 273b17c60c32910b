"""Memory for LangChain runnables: a wrapper of a chain, and a step that only recalls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.prompts import BasePromptTemplate
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableSequence

from memorybank_core import ConfigurationError, Context, MemoryBank
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, Tokenizer
from memorybank_core.metadata import require_metadata
from memorybank_core.validation import require_count

from .chain_with_memory import ChainWithMemory
from .recall import InputRecaller
from .run_config import USER_ID_KEY, UserId


def with_memory(
    chain: Runnable[Any, Any],
    bank: MemoryBank,
    *,
    user_id: UserId | None = None,
    user_id_key: str = USER_ID_KEY,
    input_key: str = "input",
    memory_key: str = "memory",
    history_key: str | None = None,
    output_key: str = "output",
    session: str | None = None,
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    tokenizer: Tokenizer | None = None,
    recent: int = 6,
    metadata: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    on_recall: Callable[[Context], object] | None = None,
    remember_answers: bool = True,
) -> Runnable[Any, Any]:
    """Add memory to `chain`: it receives recalled memories, and each turn is stored.

    The chain receives its input as a dictionary, with the recalled text at `memory_key` ("" if
    nothing is recalled); messages in the input, such as a history, are not recalled too. The user's
    message is on disk before the chain is called, the answer and the strengthening of memories
    afterwards. If the chain fails, the turn has no answer; of a stream closed early, it has the
    part that was read. A retry, inside or outside, does not store a second turn: the unanswered
    last message of a conversation, repeated within five minutes, is continued.

    If the bank, the tokenizer or `on_recall` fails, the chat continues, and callbacks receive the
    event "memorybank_error"; turns of an outage are stored after it, as for `on_failure` of
    `MemoryBank.begin_turn`. Tracing callbacks see the recall as a retriever run.

    Args:
        chain: A runnable such as `prompt | model`. An answer other than text is stored as JSON.
        bank: Bank that stores the memories.
        user_id: User the memory belongs to; None reads `user_id_key` of the run.
        user_id_key: Key of the user in the run's context, else in its configurable values.
        input_key: Key of the user's message in the input: a string, a message, or messages, of
            which the last human ones count. The input may also be such a value itself.
        memory_key: Prompt variable for the recalled text.
        history_key: Prompt variable for the latest turns of the conversation as messages, which
            are excluded from recall; None passes no history.
        output_key: Key of the answer if the chain returns a dictionary.
        session: The conversation; None reads `thread_id` or `session_id` of the config, and
            without them uses one conversation per day.
        k: Maximum number of recalled memories, 1 or more; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        recent: Number of latest turns at `history_key`, 1 or more.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.
        on_recall: Called with the recalled context, for example to display it.
        remember_answers: Whether answers become part of the memory; False keeps them for
            `history_key` only, as `remember_answer` of `PendingTurn.complete`.

    Raises:
        ConfigurationError: If a prompt at the start of the chain lacks a variable.
        InvalidInputError: If an argument, or the user or message of a call, is missing or invalid.
    """
    require_count(recent, "recent")
    _require_variables(chain, memory_key=memory_key, history_key=history_key)
    scope = (bank, user_id, user_id_key, input_key, k, max_tokens, min_relevance, tokenizer)
    latest = recent if history_key else 0
    keys = (memory_key, history_key, output_key)
    recaller = InputRecaller(*scope, latest, require_metadata(metadata), where, on_recall)
    return ChainWithMemory(chain, recaller, keys, session, remember_answers)


def recalled(
    bank: MemoryBank,
    *,
    user_id: UserId | None = None,
    user_id_key: str = USER_ID_KEY,
    input_key: str = "input",
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    tokenizer: Tokenizer | None = None,
    where: Mapping[str, Any] | None = None,
    on_recall: Callable[[Context], object] | None = None,
) -> Runnable[Any, str]:
    """Return a chain step that returns the text recalled for its input and writes nothing.

    An example is `RunnablePassthrough.assign(memory=recalled(bank)) | prompt | model`. To store
    turns as well, use `with_memory`, whose arguments have the same meaning. As there, the chat
    continues if the bank fails.

    Raises:
        InvalidInputError: If an argument is invalid; from a call, if its user is missing, or its
            input has no message of the user.
    """
    scope = (bank, user_id, user_id_key, input_key, k, max_tokens, min_relevance, tokenizer)
    recaller = InputRecaller(*scope, where=where, on_recall=on_recall, remember=False)

    def recall_text(input: Any, config: RunnableConfig) -> str:
        return recaller.begin(input, config).turn.context.text

    return RunnableLambda(recall_text, name="recalled")


def _require_variables(chain: Runnable[Any, Any], **keys: str | None) -> None:
    """Raise ConfigurationError if the chain begins with a prompt without these variables."""
    first = chain.first if isinstance(chain, RunnableSequence) else chain
    if not isinstance(first, BasePromptTemplate):
        return
    variables = {*first.input_variables, *first.optional_variables}
    for name, key in keys.items():
        if key is not None and key not in variables:
            raise ConfigurationError(
                f"the prompt has no variable {{{key}}}, only {sorted(variables)}; add it, or "
                f"set {name} to one of these"
            )
