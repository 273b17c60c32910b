"""Conversion between LlamaIndex messages and the turns of a bank."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    ContentBlock,
    DocumentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from memorybank_core import Memory
from memorybank_core.context import without_recalled

MEDIA_TOKENS, DOCUMENT_TOKENS = 256, 2048
"""Estimated tokens of an image, a recording or a video, and of a document, as in LlamaIndex."""
_ASSISTANT_ROLES = (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)
_CALL_KEYS = ("tool_calls", "function_call")
_REASONING_PATTERN = re.compile(r"\A\s*(?:.*\n)?Thought: .*?\nAnswer: ?", re.DOTALL)
"""Text of a ReAct agent before its answer: all earlier steps and the last thought."""


def extract_text(message: ChatMessage) -> str:
    """Return the joined text of a message; "" if it has none (an image, a tool call).

    Citable documents count as text. Citations do not: they repeat a document.
    """
    return "\n".join(text for block in message.blocks for text in _find_texts(block))


def extract_answer(message: ChatMessage) -> str:
    """Return the assistant's answer without a ReAct agent's reasoning; "" if it has none.

    Text next to a tool call is an intermediate step, not an answer.
    """
    if message.role not in _ASSISTANT_ROLES or _calls_tools(message):
        return ""
    text = extract_text(message)
    return _REASONING_PATTERN.sub("", text) if text.lstrip().startswith("Thought: ") else text


def join_answers(messages: Sequence[ChatMessage]) -> str:
    """Return the assistant's answers in these messages, without recalled text."""
    answers = (without_recalled(extract_answer(message)) for message in messages)
    return "\n".join(answer for answer in answers if answer.strip())


def is_answered(messages: Sequence[ChatMessage], query: str) -> bool:
    """Return whether an answer follows the last user message of this text."""
    answered = False
    for message in reversed(messages):
        if is_user_message(message):
            if without_recalled(extract_text(message)).strip() == query.strip():
                return answered
            answered = False
        elif extract_answer(message).strip():
            answered = True
    return False


def to_plain(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    """Return messages with their role and text, as `MemoryBank.context` takes them."""
    return [{"role": m.role.value, "content": extract_text(m)} for m in messages]


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


def _find_texts(block: ContentBlock) -> list[str]:
    if isinstance(block, TextBlock):
        return [block.text]
    if isinstance(block, CitableBlock):
        return [text for inner in block.content for text in _find_texts(inner)]
    return []


def _count_block(block: ContentBlock, count: Callable[[str], int]) -> int:
    if isinstance(block, TextBlock):
        return count(block.text)
    if isinstance(block, ToolCallBlock):
        return count(f"{block.tool_name} {block.tool_kwargs}")
    if isinstance(block, ThinkingBlock):
        return block.num_tokens or count(block.content or "")
    if isinstance(block, (CitableBlock, CitationBlock)):
        inner = block.content if isinstance(block, CitableBlock) else [block.cited_content]
        names = count(f"{block.title} {block.source}")
        return names + sum(_count_block(nested, count) for nested in inner)
    if isinstance(block, CachePoint):
        return 0
    return DOCUMENT_TOKENS if isinstance(block, DocumentBlock) else MEDIA_TOKENS


def _calls_tools(message: ChatMessage) -> bool:
    if any(message.additional_kwargs.get(key) for key in _CALL_KEYS):
        return True
    return any(isinstance(block, ToolCallBlock) for block in message.blocks)
