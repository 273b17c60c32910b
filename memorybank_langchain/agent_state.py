"""State of an agent's current turn, and functions that relate it to the agent's messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from langchain.agents.middleware import AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from typing_extensions import NotRequired, TypedDict

from memorybank_core import Turn
from memorybank_core.context import without_recalled

from .messages import extract_text


class AgentTurn(TypedDict):
    """The turn in progress as plain JSON, so that checkpoints preserve it.

    Attributes:
        id: Id of the turn in the bank.
        user_id: User the turn belongs to.
        session: Id of the thread; None outside a thread.
        message: Id of the human message.
        query: Text of the human message.
        response: The agent's answer; "" until the turn is complete.
        at: Time of the human message, ISO 8601.
        block: The recalled context as it is inserted into the prompt.
        ids: Ids of the memories in `block` that the turn strengthens.
    """

    id: str
    user_id: str
    session: str | None
    message: str | None
    query: str
    response: str
    at: str
    block: str
    ids: list[str]


class MemoryBankState(AgentState[Any]):
    """The agent's state with the turn in progress, which is hidden from inputs and outputs."""

    memorybank: NotRequired[Annotated[AgentTurn | None, PrivateStateAttr]]


def begin_turn(
    message: HumanMessage,
    user_id: str,
    session: str | None,
    *,
    after: AgentTurn | None,
    at: datetime,
) -> AgentTurn:
    """Create the turn that `message` begins, with an id that is the same on every replay.

    The id is a hash of the message's text and the id of the previous turn in the graph's state.
    The first turn of a thread uses the message's id instead. That is less reliable: on each replay
    of an input, LangGraph gives a message without an id a new random id.

    Args:
        message: The user's message.
        user_id: User the turn belongs to.
        session: Id of the thread; None outside a thread.
        after: The previous turn; None for the first turn of a thread.
        at: Time of the message.
    """
    query = extract_query(message)
    position = ["after", after["id"]] if after else ["first", session, message.id]
    id_hash = hashlib.sha256(json.dumps([*position, query]).encode()).hexdigest()
    return {
        "id": id_hash[:32],
        "user_id": user_id,
        "session": session,
        "message": message.id,
        "query": query,
        "response": "",
        "at": at.isoformat(),
        "block": "",
        "ids": [],
    }


def find_last_human_message(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    """Return the user's last message; None if there is no such message.

    Human messages written by a summarizing middleware carry "lc_source" and are skipped.
    """
    for message in reversed(messages):
        if isinstance(message, HumanMessage) and "lc_source" not in message.additional_kwargs:
            return message
    return None


def extract_query(message: HumanMessage) -> str:
    """Return the text of a human message without recalled context."""
    return without_recalled(extract_text(message))


def is_turn_of(turn: AgentTurn, user_id: str, message: HumanMessage) -> bool:
    """Return whether `message` began this turn of this user and is unchanged."""
    key = (turn["user_id"], turn["message"], turn["query"])
    return key == (user_id, message.id, extract_query(message))


def to_turn(turn: AgentTurn, metadata: Mapping[str, Any]) -> Turn:
    """Return the turn as the bank stores it."""
    at = datetime.fromisoformat(turn["at"])
    texts = turn["query"], turn["response"]
    return Turn(*texts, at, turn["id"], turn["session"], metadata=metadata)


def with_answer(turn: AgentTurn, messages: Sequence[AnyMessage]) -> AgentTurn:
    """Return the turn with its answer, and with the current text of its human message.

    The answer is the last text after the human message, from the agent or from a tool that returns
    its result directly.
    """
    position = _find_position(turn, messages)
    message = None if position is None else messages[position]
    query = extract_query(message) if isinstance(message, HumanMessage) else turn["query"]
    following = messages[0 if position is None else position + 1 :]
    answers: list[AnyMessage] = [item for item in following if isinstance(item, AIMessage)]
    answers += [item for item in following[-1:] if isinstance(item, ToolMessage)]
    texts = (extract_text(answer) for answer in reversed(answers))
    response = next((text for text in texts if text.strip()), "")
    return {**turn, "query": query, "response": response}


def with_block(turn: AgentTurn, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
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
        content, addition = extended[position].content, f"\n\n{turn['block']}"
        new_content = (
            f"{content}{addition}"
            if isinstance(content, str)
            else [*content, {"type": "text", "text": addition}]
        )
        extended[position] = extended[position].model_copy(update={"content": new_content})
    return extended


def _find_position(turn: AgentTurn, messages: Sequence[AnyMessage]) -> int | None:
    positions = (i for i, message in enumerate(messages) if message.id == turn["message"])
    return next(positions, None)
