"""Conversion between LlamaIndex messages and the turns of a bank."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy

from llama_index.core.base.llms.types import (
    ChatMessage,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from memorybank_core import Memory

MEDIA_TOKENS = 256
"""Estimated tokens of an image or a recording, as in LlamaIndex's own `Memory`."""
_ASSISTANT_ROLES = (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)
_CALL_KEYS = ("tool_calls", "function_call")
_REASONING_PATTERN = re.compile(r"\A\s*(?:.*\n)?Thought: .*?\nAnswer: ?", re.DOTALL)
"""Text of a ReAct agent before its answer: all earlier steps and the last thought."""


def extract_text(message: ChatMessage) -> str:
    """Return the joined text blocks of a message; "" if it has none (an image, a tool call)."""
    return message.content or ""


def extract_answer(message: ChatMessage) -> str:
    """Return the assistant's answer without a ReAct agent's reasoning; "" if it has none.

    Text next to a tool call is an intermediate step, not an answer.
    """
    if message.role not in _ASSISTANT_ROLES or _calls_tools(message):
        return ""
    text = extract_text(message)
    return _REASONING_PATTERN.sub("", text) if text.lstrip().startswith("Thought: ") else text


def is_user_message(message: ChatMessage) -> bool:
    """Return whether the message has the user's role."""
    return message.role == MessageRole.USER


def to_messages(memory: Memory) -> list[ChatMessage]:
    """Convert a stored turn to messages."""
    turn = memory.turn
    texts = [(MessageRole.USER, turn.query), (MessageRole.ASSISTANT, turn.response)] if turn else []
    return [ChatMessage(text, role=role) for role, text in texts if text.strip()]


def copy_messages(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return copies of messages, because agents change the messages they receive."""
    return [
        message.model_copy(
            update={
                "blocks": [
                    block.model_copy(deep=not isinstance(block, TextBlock))  # a string is immutable
                    for block in message.blocks
                ],
                "additional_kwargs": deepcopy(message.additional_kwargs),
            }
        )
        for message in messages
    ]


def with_block(messages: list[ChatMessage], block: str, *, in_last: bool) -> list[ChatMessage]:
    """Return the messages with a block of text added.

    Args:
        messages: The messages of a prompt.
        block: The text to add; "" adds nothing.
        in_last: Append the block to the user's last message. If False, or without a user message,
            it is appended to the first message if that is a system message, and is otherwise
            inserted at the start as a separate system message.
    """
    if not block:
        return messages
    users = [i for i, message in enumerate(messages) if is_user_message(message)]
    if in_last and users:
        last = users[-1]
        return [*messages[:last], _append_text(messages[last], block), *messages[last + 1 :]]
    if messages and messages[0].role == MessageRole.SYSTEM:
        return [_append_text(messages[0], block), *messages[1:]]
    return [ChatMessage(block, role=MessageRole.SYSTEM), *messages]


def count_tokens(messages: Sequence[ChatMessage], count: Callable[[str], int]) -> int:
    """Return the number of tokens in messages, including tool calls and media."""
    blocks = (block for message in messages for block in message.blocks)
    extras = (message.additional_kwargs for message in messages if message.additional_kwargs)
    return sum(_count_block(block, count) for block in blocks) + sum(
        count(str(extra)) for extra in extras
    )


def _append_text(message: ChatMessage, addition: str) -> ChatMessage:
    """Return a copy with text appended to its last text block, or in a new block."""
    blocks = list(message.blocks)
    for i in reversed(range(len(blocks))):
        block = blocks[i]
        if isinstance(block, TextBlock):
            blocks[i] = TextBlock(text=f"{block.text}\n\n{addition}")
            return message.model_copy(update={"blocks": blocks})
    return message.model_copy(update={"blocks": [*blocks, TextBlock(text=addition)]})


def _count_block(block: ContentBlock, count: Callable[[str], int]) -> int:
    if isinstance(block, TextBlock):
        return count(block.text)
    if isinstance(block, ToolCallBlock):
        return count(f"{block.tool_name} {block.tool_kwargs}")
    if isinstance(block, ThinkingBlock):
        return count(block.content or "")
    return MEDIA_TOKENS


def _calls_tools(message: ChatMessage) -> bool:
    if any(message.additional_kwargs.get(key) for key in _CALL_KEYS):
        return True
    return any(isinstance(block, ToolCallBlock) for block in message.blocks)
