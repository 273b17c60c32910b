"""Prompt format of the tokenizer itself: its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError

from .messages import (
    IGNORED_LABEL,
    Messages,
    RoleMessage,
    join_for_answer,
    join_for_training,
    split_rounds,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBE = (RoleMessage("user", "x"), RoleMessage("assistant", "y"), RoleMessage("user", "z"))


@dataclass(frozen=True, slots=True)
class TemplateFormat:
    """The tokenizer's own chat template.

    Special tokens that a message spells are encoded as text. If the template refuses system
    messages, they become the first line of the next question.
    """

    name: str = "template"
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """Return the ids of the prompt; see `PromptFormat.encode`."""
        return _encode(tokenizer, join_for_answer(messages), to_answer=True)

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the end-of-sequence id, and the token with which the template ends an answer."""
        prompt = _encode(tokenizer, _PROBE[:1], to_answer=True)
        ids = _encode(tokenizer, _PROBE, to_answer=True)
        special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        after = ids[len(prompt) :] if _starts_with(ids, prompt) else []
        stop_ids = [tokenizer.eos_token_id, next((id for id in after if id in special), None)]
        return list(dict.fromkeys(id for id in stop_ids if id is not None))

    def encode_training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """Return ids and labels; see `PromptFormat.encode_training`."""
        joined = join_for_training(messages)
        ids = _encode(tokenizer, joined, to_answer=False)
        labels = [IGNORED_LABEL] * len(ids)
        stop_ids = self.stop_ids(tokenizer)
        for position in range(1, len(joined)):
            if joined[position].role == "assistant":
                start, end = _find_answer(tokenizer, joined[: position + 1], ids)
                end = _end_after_stop(stop_ids, ids, start, end)
                labels[start:end] = ids[start:end]
        if stop_ids and not any(id in stop_ids for id in ids[start:]):
            return [*ids, stop_ids[0]], [*labels, stop_ids[0]]
        return ids, labels


def _find_answer(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[RoleMessage], ids: list[int]
) -> tuple[int, int]:
    """Return the start and the end in `ids` of the last of `messages`, an answer.

    Raises:
        ConfigurationError: If the template renders earlier messages differently once more follow.
    """
    prompt = _encode(tokenizer, messages[:-1], to_answer=True)
    answered = _encode(tokenizer, messages, to_answer=False)
    if not (_starts_with(ids, prompt) and _starts_with(ids, answered)):
        raise ConfigurationError(
            f"the chat template of {tokenizer.name_or_path} renders earlier messages differently "
            f"once more messages follow (the answer {messages[-1].text[:40]!r}…): train on shorter "
            "conversations with one answer each, or choose another prompt format"
        )
    return len(prompt), len(answered)


def _end_after_stop(stop_ids: Sequence[int], ids: list[int], start: int, end: int) -> int:
    """Return the position after the last stop id; a template may write newlines after it."""
    after = [position + 1 for position in range(start, end) if ids[position] in stop_ids]
    return after[-1] if after else end


def _starts_with(ids: list[int], prefix: list[int]) -> bool:
    return ids[: len(prefix)] == prefix


def _encode(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[RoleMessage], *, to_answer: bool
) -> list[int]:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ConfigurationError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template: choose another "
            "prompt format"
        )
    try:
        return _apply_template(tokenizer, messages, to_answer)
    except TemplateError as error:
        if all(message.role != "system" for message in messages):
            raise ConfigurationError(
                f"the chat template of {tokenizer.name_or_path} refuses the conversation: {error}"
            ) from error
    return _encode(tokenizer, _without_system(messages), to_answer=to_answer)


def _apply_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[RoleMessage], to_answer: bool
) -> list[int]:
    return list(
        tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.text} for message in messages],
            add_generation_prompt=to_answer,
            tokenize=True,
            return_dict=False,
            sanitize_control_tokens=True,
        )
    )


def _without_system(messages: Sequence[RoleMessage]) -> list[RoleMessage]:
    """Return the messages with each system message as a line of its question."""
    rounds, question = split_rounds(messages)
    joined: list[RoleMessage] = []
    for round in rounds:
        joined.append(RoleMessage("user", round.question))
        joined.append(RoleMessage("assistant", round.answer))
    return [*joined, RoleMessage("user", question)] if question else joined
