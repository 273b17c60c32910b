"""The frame that a tokenizer brings itself: its chat template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError

from .messages import UNTRAINED, Messages, Round, Turn, answered, asked, rounds_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBE = (Turn("user", "x"), Turn("assistant", "y"), Turn("user", "z"))


@dataclass(frozen=True, slots=True)
class TemplateFrame:
    """The tokenizer's own chat template.

    Marks that a message spells are encoded as text. Where a template takes no system message, it
    becomes the first line of the question after it.
    """

    name: str = "template"
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        return _ids(tokenizer, asked(messages), to_answer=True)

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """The tokenizer's end, and the mark with which the template ends an answer."""
        prompt = _ids(tokenizer, _PROBE[:1], to_answer=True)
        whole = _ids(tokenizer, _PROBE, to_answer=True)
        marks = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        after = whole[len(prompt) :] if _begins(whole, prompt) else []
        ends = [tokenizer.eos_token_id, next((id for id in after if id in marks), None)]
        return list(dict.fromkeys(id for id in ends if id is not None))

    def training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        turns = answered(messages)
        whole = _ids(tokenizer, turns, to_answer=False)
        labels = [UNTRAINED] * len(whole)
        ends = self.stop_ids(tokenizer)
        for place in range(1, len(turns)):
            if turns[place].role == "assistant":
                start, stop = _span(tokenizer, turns[: place + 1], whole)
                stop = _last_of(ends, whole, start, stop)
                labels[start:stop] = whole[start:stop]
        if ends and not any(id in ends for id in whole[start:]):
            return [*whole, ends[0]], [*labels, ends[0]]
        return whole, labels


def _span(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], whole: list[int]
) -> tuple[int, int]:
    """Where in `whole` the last of `turns`, an answer, starts and stops.

    Raises:
        ConfigurationError: The template shows what is over differently, once more follows.
    """
    prompt = _ids(tokenizer, turns[:-1], to_answer=True)
    through = _ids(tokenizer, turns, to_answer=False)
    if not (_begins(whole, prompt) and _begins(whole, through)):
        raise ConfigurationError(
            f"the chat template of {tokenizer.name_or_path} changes what was said before when a "
            f"conversation goes on (its answer {turns[-1].text[:40]!r}…): pass shorter "
            "conversations to learn from, with one answer each, or choose another frame"
        )
    return len(prompt), len(through)


def _last_of(ends: Sequence[int], ids: list[int], start: int, stop: int) -> int:
    """The place after the last of `ends` there is; a template may write newlines after it."""
    found = [place + 1 for place in range(start, stop) if ids[place] in ends]
    return found[-1] if found else stop


def _begins(ids: list[int], beginning: list[int]) -> bool:
    return ids[: len(beginning)] == beginning


def _ids(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], *, to_answer: bool
) -> list[int]:
    from jinja2 import TemplateError

    if not tokenizer.chat_template:
        raise ConfigurationError(
            f"the tokenizer of {tokenizer.name_or_path} has no chat template: choose another frame"
        )
    try:
        return _applied(tokenizer, turns, to_answer)
    except TemplateError as error:
        if all(turn.role != "system" for turn in turns):
            raise ConfigurationError(
                f"the chat template of {tokenizer.name_or_path} takes no such conversation: {error}"
            ) from error
    return _ids(tokenizer, _without_system(turns), to_answer=to_answer)


def _applied(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Turn], to_answer: bool
) -> list[int]:
    return list(
        tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.text} for turn in turns],
            add_generation_prompt=to_answer,
            tokenize=True,
            return_dict=False,
            sanitize_control_tokens=True,
        )
    )


def _without_system(turns: Sequence[Turn]) -> list[Turn]:
    """The turns with each system message as a line of its question."""
    rounds, question = rounds_of(turns)
    said = [Turn(*pair) for round in rounds for pair in _as_turns(round)]
    return [*said, Turn("user", question)] if question else said


def _as_turns(round: Round) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("user", round.question), ("assistant", round.answer)
