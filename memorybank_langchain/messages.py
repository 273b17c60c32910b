"""Conversion between LangChain messages and the turns of a bank."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from memorybank_core import Memory


def extract_text(message: BaseMessage) -> str:
    """Return the joined text blocks of a message; "" if it has none (an image, a tool call)."""
    return str(message.text)


def to_shown(message: BaseMessage) -> dict[str, Any]:
    """Return a message in the prompt as `MemoryBank.begin_turn(shown=…)` takes it."""
    return {"role": message.type, "content": message.content}


def id_prefix(session: str) -> str:
    """Return the prefix of the ids of turns that a history of this session stores.

    Other sessions may use the same ids for their messages.
    """
    return f"{quote(session, safe='')}:"


def answer_id(id: str) -> str:
    """Return the id of the answer to the message `id`."""
    return f"{id}:answer"


def to_messages(memory: Memory, prefix: str = "") -> list[BaseMessage]:
    """Convert a stored turn to messages, with ids derived from the turn's id.

    Args:
        memory: A memory of kind "turn".
        prefix: Removed from the start of the turn's id.
    """
    turn, id = memory.turn, memory.id.removeprefix(prefix)
    query, response = (turn.query, turn.answer) if turn else ("", "")
    messages: list[BaseMessage] = [HumanMessage(query, id=id)] if query.strip() else []
    if response.strip():
        messages.append(AIMessage(response, id=answer_id(id)))
    return messages
