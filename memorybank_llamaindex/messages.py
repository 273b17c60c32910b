"""Between LlamaIndex's messages and the turns of the bank."""

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
"""What an image or a recording is taken to cost, as in LlamaIndex's own `Memory`."""
_SPEAKERS = (MessageRole.ASSISTANT, MessageRole.CHATBOT, MessageRole.MODEL)
_CALLS = ("tool_calls", "function_call")
_REASONED = re.compile(r"\A\s*(?:.*\n)?Thought: .*?\nAnswer: ?", re.DOTALL)
"""What a ReAct agent puts before its answer: the last thought, and all steps before it."""


def text_of(message: ChatMessage) -> str:
    """The text of a message, of all its text blocks; "" where it has none (an image, a call)."""
    return message.content or ""


def answer_of(message: ChatMessage) -> str:
    """The words of the companion in it, without a ReAct agent's reasoning; "" where it has none.

    What goes with a tool call is a step on the way and not yet the answer.
    """
    if message.role not in _SPEAKERS or _calls_tools(message):
        return ""
    text = text_of(message)
    return _REASONED.sub("", text) if text.lstrip().startswith("Thought: ") else text


def is_users(message: ChatMessage) -> bool:
    """Whether the user said it."""
    return message.role == MessageRole.USER


def messages_of(memory: Memory) -> list[ChatMessage]:
    """What the two said in one turn."""
    turn = memory.turn
    said = [(MessageRole.USER, turn.query), (MessageRole.ASSISTANT, turn.response)] if turn else []
    return [ChatMessage(words, role=role) for role, words in said if words.strip()]


def copied(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Copies, which those who get them may change; agents do."""
    return [
        message.model_copy(
            update={
                "blocks": [
                    block.model_copy(deep=not isinstance(block, TextBlock))  # plain text is quick
                    for block in message.blocks
                ],
                "additional_kwargs": deepcopy(message.additional_kwargs),
            }
        )
        for message in messages
    ]


def with_block(messages: list[ChatMessage], block: str, *, in_last: bool) -> list[ChatMessage]:
    """The messages with a block of text at the end of the user's last one, or of the system's.

    Where there is none, the block is a system message of its own, the first.
    """
    users = [place for place, message in enumerate(messages) if is_users(message)]
    if not block:
        return messages
    if in_last and users:
        return [
            *messages[: users[-1]],
            _longer(messages[users[-1]], block),
            *messages[users[-1] + 1 :],
        ]
    if messages and messages[0].role == MessageRole.SYSTEM:
        return [_longer(messages[0], block), *messages[1:]]
    return [ChatMessage(block, role=MessageRole.SYSTEM), *messages]


def size_of(messages: Sequence[ChatMessage], count: Callable[[str], int]) -> int:
    """How many tokens they take, tool calls and media included."""
    calls = (one.additional_kwargs for one in messages if one.additional_kwargs)
    return sum(_size_of(block, count) for one in messages for block in one.blocks) + sum(
        count(str(call)) for call in calls
    )


def _longer(message: ChatMessage, addition: str) -> ChatMessage:
    """A copy with more text at the end of its last text block, or in one of its own."""
    blocks = list(message.blocks)
    for place in reversed(range(len(blocks))):
        block = blocks[place]
        if isinstance(block, TextBlock):
            blocks[place] = TextBlock(text=f"{block.text}\n\n{addition}")
            return message.model_copy(update={"blocks": blocks})
    return message.model_copy(update={"blocks": [*blocks, TextBlock(text=addition)]})


def _size_of(block: ContentBlock, count: Callable[[str], int]) -> int:
    if isinstance(block, TextBlock):
        return count(block.text)
    if isinstance(block, ToolCallBlock):
        return count(f"{block.tool_name} {block.tool_kwargs}")
    if isinstance(block, ThinkingBlock):
        return count(block.content or "")
    return MEDIA_TOKENS


def _calls_tools(message: ChatMessage) -> bool:
    if any(message.additional_kwargs.get(key) for key in _CALLS):
        return True
    return any(isinstance(block, ToolCallBlock) for block in message.blocks)
