"""An agent's turn: where it stands in the messages, and what of it lies in the graph's state."""

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

from .messages import text_of


class AgentTurn(TypedDict):
    """The turn in progress, in plain JSON: it survives interrupts, restarts and time travel.

    Attributes:
        id: The turn's id in the bank.
        user_id: Whose turn it is.
        session: The thread; None where there is none.
        message: The id of the human message.
        query: What the human message says.
        response: What the agent answered, which ends the turn; "" before.
        at: When the human said it, ISO 8601.
        block: What was recalled, as it goes into the prompt.
        ids: The memories in it.
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
    """The agent's state with the turn in progress; neither input nor output shows it."""

    memorybank: NotRequired[Annotated[AgentTurn | None, PrivateStateAttr]]


def begun(
    message: HumanMessage,
    user_id: str,
    session: str | None,
    *,
    after: AgentTurn | None,
    at: datetime,
) -> AgentTurn:
    """The turn that `message` begins, with an id that is the same whenever it is replayed.

    The id follows from the turn before it in the graph's state and the words. The message's own
    id, which the first turn of a thread needs, is weaker: langgraph gives a message that came
    without one another id with each replay from its input.
    """
    query = query_of(message)
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


def last_human(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    """The last message of the user; None where there is none.

    What a summarizing middleware writes in the user's name is marked as not the user's.
    """
    for message in reversed(messages):
        if isinstance(message, HumanMessage) and "lc_source" not in message.additional_kwargs:
            return message
    return None


def query_of(message: HumanMessage) -> str:
    """What the user says in it, without what a memory recalled."""
    return without_recalled(text_of(message))


def is_same(turn: AgentTurn, user_id: str, message: HumanMessage) -> bool:
    """Whether `message` is the one that began this turn, unchanged."""
    said = (turn["user_id"], turn["message"], turn["query"])
    return said == (user_id, message.id, query_of(message))


def as_kept(turn: AgentTurn) -> Turn:
    """The turn as the bank keeps it."""
    at = datetime.fromisoformat(turn["at"])
    return Turn(turn["query"], turn["response"], at, turn["id"], turn["session"])


def with_answer(turn: AgentTurn, messages: Sequence[AnyMessage]) -> AgentTurn:
    """The turn as it ended: its human message as it reads now, and the last words after it.

    These are the agent's, or those of a tool whose result is returned as it is.
    """
    place = _place_of(turn, messages)
    message = None if place is None else messages[place]
    query = query_of(message) if isinstance(message, HumanMessage) else turn["query"]
    since = messages[0 if place is None else place + 1 :]
    spoken: list[AnyMessage] = [one for one in since if isinstance(one, AIMessage)]
    spoken += [one for one in since[-1:] if isinstance(one, ToolMessage)]
    texts = (text_of(one) for one in reversed(spoken))
    response = next((text for text in texts if text.strip()), "")
    return {**turn, "query": query, "response": response}


def with_block(turn: AgentTurn, messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """The messages, with what was recalled at the end of a copy of the turn's human message.

    Where that one was trimmed away it is the last human message, and none where none is left.
    """
    place = _place_of(turn, messages)
    if place is None:
        humans = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
        place = humans[-1] if humans else None
    informed = list(messages)
    if place is not None:
        content, addition = informed[place].content, f"\n\n{turn['block']}"
        longer = (
            f"{content}{addition}"
            if isinstance(content, str)
            else [*content, {"type": "text", "text": addition}]
        )
        informed[place] = informed[place].model_copy(update={"content": longer})
    return informed


def _place_of(turn: AgentTurn, messages: Sequence[AnyMessage]) -> int | None:
    places = (i for i, message in enumerate(messages) if message.id == turn["message"])
    return next(places, None)
