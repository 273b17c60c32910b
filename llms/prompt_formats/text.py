"""Prompt formats that render a conversation as one text: ChatGLM-6B, ChatGLM2-6B, BELLE, plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import encode_text
from .messages import (
    IGNORED_LABEL,
    Messages,
    RoleMessage,
    Round,
    join_for_answer,
    join_for_training,
    split_rounds,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class TextFormat:
    """Prompt format that renders a conversation as one text.

    Attributes:
        name: Its name in `PROMPT_FORMATS`.
        render: Returns the text of the completed rounds and the question.
        separator: Text between the prompt and its answer if both are encoded together.
        stop: Strings that end an answer.
    """

    name: str
    render: Callable[[Sequence[Round], str], str]
    separator: str = ""
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """Return the ids of the prompt; see `PromptFormat.encode`."""
        return encode_text(tokenizer, self._render(join_for_answer(messages)))

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the end-of-sequence id."""
        return [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

    def encode_training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """Return ids and labels; see `PromptFormat.encode_training`."""
        *earlier, last = join_for_training(messages)
        text = self._render(earlier)
        prompt = encode_text(tokenizer, text)
        answer = encode_text(tokenizer, last.text, add_special_tokens=False)
        if self.separator:
            ids = encode_text(tokenizer, text + self.separator + last.text)
            answer = ids[len(prompt) :] if ids[: len(prompt)] == prompt else answer
        answer += self.stop_ids(tokenizer)
        return prompt + answer, [IGNORED_LABEL] * len(prompt) + answer

    def _render(self, messages: Sequence[RoleMessage]) -> str:
        return self.render(*split_rounds(messages))


def render_chatglm(rounds: Sequence[Round], question: str) -> str:
    """Render the chat of ChatGLM-6B: a first question as it is, later ones as rounds from 0."""
    if not rounds:
        return question
    history = "".join(
        f"[Round {number}]\n问：{round.question}\n答：{round.answer}\n"
        for number, round in enumerate(rounds)
    )
    return f"{history}[Round {len(rounds)}]\n问：{question}\n答："


def render_chatglm2(rounds: Sequence[Round], question: str) -> str:
    """Render the chat of ChatGLM2-6B, with rounds counted from 1."""
    history = "".join(
        f"[Round {number}]\n\n问：{round.question}\n\n答：{round.answer}\n\n"
        for number, round in enumerate(rounds, 1)
    )
    return f"{history}[Round {len(rounds) + 1}]\n\n问：{question}\n\n答："


def render_belle(rounds: Sequence[Round], question: str) -> str:
    r"""Render the format of BELLE: "Human: …\n\nAssistant:", followed by a space and the answer.

    Source: https://github.com/LianjiaTech/BELLE, train/finetune.py and the model cards of
    BelleGroup/BELLE-7B-2M and others. The code in the cards, unlike their prose, has no space
    before the newlines.
    """
    history = "".join(
        f"Human: {round.question}\n\nAssistant: {round.answer}\n\n" for round in rounds
    )
    return f"{history}Human: {question}\n\nAssistant:"


def render_plain(rounds: Sequence[Round], question: str) -> str:
    """Render a generic chat format, for models that were not trained on a specific one."""
    history = "".join(f"User: {round.question}\nAssistant: {round.answer}\n" for round in rounds)
    return f"{history}User: {question}\nAssistant:"
