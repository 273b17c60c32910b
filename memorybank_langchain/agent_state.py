"""An agent's turn in the graph's state, and its place in the messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
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
    """The turn in progress, in plain JSON: it survives interrupts, restarts and time travel.

    Attributes:
        id: Id of the turn in the bank.
        user_id: User the turn belongs to.
        session: Id of the thread; None outside a thread.
        message: Id of the human message.
        query: Text of the human message.
        response: The agent's answer, which completes the turn; "" before.
        at: Time of the human message, ISO 8601.
        block: The recalled context as it is inserted into the prompt.
        ids: Ids of the memories in `block`.
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
    """The agent's state with the turn in progress, which is hidden from input and output."""

    memorybank: NotRequired[Annotated[AgentTurn | None, PrivateStateAttr]]


def begin_turn(
    message: HumanMessage,
    user_id: str,
    session: str | None,
    *,
    after: AgentTurn | None,
    at: datetime,
) -> AgentTurn:
    """Return the turn that `message` begins, with an id that is the same on every replay.

    The id is derived from the previous turn in the graph's state and the text. The first turn of
    a thread has only the message's id, which is weaker: LangGraph gives a message without an id
    another random one on each replay of its input.
    """
    query = extract_query(message)
    place = ["after", after["id"]] if after else ["first", session, message.id]
    digest = hashlib.sha256(json.dumps([*place, query]).encode()).hexdigest()
    return {
        "id": digest[:32],
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
    """Return the text of a human message without any recalled context in it."""
    return without_recalled(extract_text(message))


def is_turn_of(turn: AgentTurn, user_id: str, message: HumanMessage) -> bool:
    """Return whether `message` began this turn of this user and is unchanged."""
    key = (turn["user_id"], turn["message"], turn["query"])
    return key == (user_id, message.id, extract_query(message))


def to_turn(turn: AgentTurn) -> Turn:
    """Return the turn as the bank stores it."""
    at = datetime.fromisoformat(turn["at"])
    return Turn(turn["query"], turn["response"], at, turn["id"], turn["session"])


def with_answer(turn: AgentTurn, messages: Sequence[AnyMessage]) -> AgentTurn:
    """Return the turn with its human message as it reads now and the last text that followed it.

    That text is the agent's, or that of a tool whose result is returned directly.
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

    If that message was trimmed away, the last human message is used; without any human message,
    nothing is added.
    """
    position = _find_position(turn, messages)
    if position is None:
        humans = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
        position = humans[-1] if humans else None
    extended = list(messages)
    if position is not None:
        content, addition = extended[position].content, f"\n\n{turn['block']}"
        longer = (
            f"{content}{addition}"
            if isinstance(content, str)
            else [*content, {"type": "text", "text": addition}]
        )
        extended[position] = extended[position].model_copy(update={"content": longer})
    return extended


def _find_position(turn: AgentTurn, messages: Sequence[AnyMessage]) -> int | None:
    positions = (i for i, message in enumerate(messages) if message.id == turn["message"])
    return next(positions, None)
