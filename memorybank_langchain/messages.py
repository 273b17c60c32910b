"""Conversion between LangChain messages and the turns of a bank."""

from __future__ import annotations

from typing import Any, TypeGuard
from urllib.parse import quote

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.content import KNOWN_BLOCK_TYPES

from memorybank_core import Memory

_PROVIDER_TYPES = """
document function_call guard_content image_url input_audio input_file input_image input_text media
output_text redacted_thinking refusal thinking tool_result tool_use
"""
_BLOCK_TYPES = KNOWN_BLOCK_TYPES.union(_PROVIDER_TYPES.split())
"""Types of the blocks of a message: those of LangChain, and of OpenAI, Anthropic and Google."""


def extract_text(message: BaseMessage) -> str:
    """Return the joined text blocks of a message; "" if it has none (an image, a tool call)."""
    return str(message.text)


def is_content(value: Any) -> TypeGuard[list[str | dict[Any, Any]]]:
    """Return whether a value is the content of a message: blocks, and perhaps strings.

    Every block has a type, and one of them a type of LangChain or of a provider; what a parser
    returns may have types of its own.
    """
    if not isinstance(value, list):
        return False
    blocks = [item for item in value if not isinstance(item, str)]
    types = [item.get("type") if isinstance(item, dict) else None for item in blocks]
    return all(isinstance(type, str) for type in types) and not _BLOCK_TYPES.isdisjoint(types)


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
