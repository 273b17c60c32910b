"""State of an agent's current turn, and functions that relate it to the agent's messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, cast

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from typing_extensions import NotRequired, TypedDict

from memorybank_core.context import without_recalled
from memorybank_core.record_values import plain_value

from .messages import extract_text

STATE_KEY = "memorybank"
"""Key of the current turn in the agent's state."""


class AgentTurn(TypedDict):
    """The turn in progress as plain JSON, so that checkpoints preserve it.

    It has no recalled text, so that streams and checkpoints do not show it.

    Attributes:
        turn: The turn as `PendingTurn.to_dict` returns it.
        messages: Ids of the human messages of the turn.
        is_answered: Whether the turn has its answer.
    """

    turn: dict[str, Any]
    messages: list[str | None]
    is_answered: bool


class MemoryBankState(AgentState[Any]):
    """The agent's state with the turn in progress, which is hidden from inputs and outputs."""

    memorybank: NotRequired[Annotated[AgentTurn | None, PrivateStateAttr]]


def state_schema_of(key: str) -> type[MemoryBankState]:
    """Return the schema of a state that has the turn in progress under `key`."""
    if key == STATE_KEY:
        return MemoryBankState
    fields: dict[str, Any] = {key: NotRequired[Annotated[AgentTurn | None, PrivateStateAttr]]}
    schema = TypedDict(key, fields)  # type: ignore[misc]  # the key is an argument
    return cast(type[MemoryBankState], schema)


def read_turn(value: Any, metadata: Mapping[str, Any]) -> AgentTurn | None:
    """Return the turn in a state's value, which may be that of an earlier version.

    Earlier versions stored a flat dictionary with the recalled text under "block".

    Args:
        value: The value; None without a turn.
        metadata: Metadata of a turn of an earlier version.
    """
    if not value:
        return None
    if "turn" in value:
        return cast(AgentTurn, value)
    fields = {name: value[name] for name in ("id", "user_id", "session", "query", "at")}
    flags = {"is_stored": True, "is_identified": True, "remember": True}
    turn = {**fields, "reinforced": value["ids"], "metadata": plain_value(metadata), **flags}
    messages, is_answered = [value["message"]], bool(value["response"])
    return AgentTurn(turn=turn, messages=messages, is_answered=is_answered)


def find_question(messages: Sequence[AnyMessage]) -> list[HumanMessage]:
    """Return the last human messages that no message of the agent separates, oldest first.

    Human messages written by a summarizing middleware carry "lc_source" and are skipped.
    """
    question: list[HumanMessage] = []
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            if "lc_source" not in message.additional_kwargs:
                question.append(message)
        elif question and isinstance(message, (AIMessage, ToolMessage)):
            break
    return question[::-1]


def ends_with_answer(messages: Sequence[AnyMessage]) -> bool:
    """Return whether the last message is the agent's and calls no tool."""
    last = messages[-1]
    return isinstance(last, AIMessage) and not last.tool_calls


def join_texts(messages: Iterable[HumanMessage]) -> str:
    """Return the texts of human messages, each once, joined by newlines, without recalled text."""
    texts = (without_recalled(extract_text(message)) for message in messages)
    return "\n".join(dict.fromkeys(text for text in texts if text.strip()))


def derive_id(session: str | None, message_id: str | None, metadata: Mapping[str, Any]) -> str:
    """Return the id of the turn that a message begins; each scope has its own turn."""
    position = json.dumps([session, message_id, plain_value(metadata)], sort_keys=True)
    return hashlib.sha256(position.encode()).hexdigest()[:32]


def to_shown(
    messages: Iterable[AnyMessage], question: Iterable[AnyMessage]
) -> list[dict[str, Any]]:
    """Return the messages of the prompt, except the question, as roles and contents."""
    ids = {message.id for message in question}
    return [
        {"role": message.type, "content": extract_text(message)}
        for message in messages
        if message.id not in ids
    ]


def current_query(turn: AgentTurn, messages: Sequence[AnyMessage]) -> str:
    """Return the user's message as the state has it now, such as with redactions."""
    ids = set(turn["messages"])
    question = [item for item in messages if isinstance(item, HumanMessage) and item.id in ids]
    has_all = {message.id for message in question} == ids
    return join_texts(question) if has_all else str(turn["turn"]["query"])


def following(turn: AgentTurn, messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
    """Return the messages after the user's, or all if the user's were trimmed."""
    position = _find_position(turn, messages)
    return messages[0 if position is None else position + 1 :]


def with_block(turn: AgentTurn, messages: Sequence[AnyMessage], block: str) -> list[AnyMessage]:
    """Return the messages with the recalled context appended to a copy of the human message.

    If that message was trimmed, the context is appended to the last human message. Without human
    messages it is not added.
    """
    position = _find_position(turn, messages)
    if position is None:
        positions = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
        position = positions[-1] if positions else None
    extended = list(messages)
    if position is not None:
        content, addition = extended[position].content, f"\n\n{block}"
        new_content = (
            f"{content}{addition}"
            if isinstance(content, str)
            else [*content, {"type": "text", "text": addition}]
        )
        extended[position] = extended[position].model_copy(update={"content": new_content})
    return extended


def _find_position(turn: AgentTurn, messages: Sequence[AnyMessage]) -> int | None:
    """Return the position of the last human message of the turn."""
    positions = [i for i, message in enumerate(messages) if message.id in turn["messages"]]
    return positions[-1] if positions else None
