"""Prompt format that uses the tokenizer's chat template."""

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
    """Prompt format that uses the tokenizer's chat template.

    Special tokens spelled in a message are encoded as ordinary text. If the template rejects system
    messages, they become the first line of the next question.
    """

    name: str = "template"
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """Return the ids of the prompt; see `PromptFormat.encode`."""
        return _encode(tokenizer, join_for_answer(messages), add_generation_prompt=True)

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the end-of-sequence id and the special token that the template adds to answers."""
        prompt = _encode(tokenizer, _PROBE[:1], add_generation_prompt=True)
        ids = _encode(tokenizer, _PROBE, add_generation_prompt=True)
        special = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        after = ids[len(prompt) :] if _starts_with(ids, prompt) else []
        stop_ids = [tokenizer.eos_token_id, next((id for id in after if id in special), None)]
        return list(dict.fromkeys(id for id in stop_ids if id is not None))

    def encode_training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """Return ids and labels; see `PromptFormat.encode_training`."""
        joined = join_for_training(messages)
        ids = _encode(tokenizer, joined, add_generation_prompt=False)
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
    """Return the start and end positions in `ids` of the answer that is the last message.

    Raises:
        ConfigurationError: If the template renders earlier messages differently once more follow.
    """
    prompt = _encode(tokenizer, messages[:-1], add_generation_prompt=True)
    answered = _encode(tokenizer, messages, add_generation_prompt=False)
    if not (_starts_with(ids, prompt) and _starts_with(ids, answered)):
        raise ConfigurationError(
            f"the chat template of {tokenizer.name_or_path} renders earlier messages differently "
            f"once more messages follow (the answer {messages[-1].text[:40]!r}…): train on shorter "
            "conversations with one answer each, or choose another prompt format"
        )
    return len(prompt), len(answered)


def _end_after_stop(stop_ids: Sequence[int], ids: list[int], start: int, end: int) -> int:
    """Return the end of an answer after its last stop id, without newlines that may follow."""
    after = [position + 1 for position in range(start, end) if ids[position] in stop_ids]
    return after[-1] if after else end


def _starts_with(ids: list[int], prefix: list[int]) -> bool:
    return ids[: len(prefix)] == prefix


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[RoleMessage],
    *,
    add_generation_prompt: bool,
) -> list[int]:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ConfigurationError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template: choose another "
            "prompt format"
        )
    try:
        return _apply_template(tokenizer, messages, add_generation_prompt)
    except TemplateError as error:
        if all(message.role != "system" for message in messages):
            raise ConfigurationError(
                f"the chat template of {tokenizer.name_or_path} rejects the conversation: {error}"
            ) from error
    return _encode(
        tokenizer, _without_system(messages), add_generation_prompt=add_generation_prompt
    )


def _apply_template(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[RoleMessage], add_generation_prompt: bool
) -> list[int]:
    return list(
        tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.text} for message in messages],
            add_generation_prompt=add_generation_prompt,
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
