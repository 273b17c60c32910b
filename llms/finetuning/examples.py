"""Dialogues as examples: token ids, and which of them are learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memorybank_core.errors import ConfigurationError

from .dialogues import Dialogue

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from llms.prompt_formats import PromptFormat

IGNORED = -100
"""The label of a token that nothing is learnt from."""


@dataclass(frozen=True, slots=True)
class Example:
    """A piece of a dialogue, as the model reads and writes it.

    Attributes:
        ids: Its tokens.
        labels: The same where an answer is, the token that ends it included; else `IGNORED`.
    """

    ids: list[int]
    labels: list[int]

    @property
    def taught(self) -> int:
        """How many tokens are learnt."""
        return sum(label != IGNORED for label in self.labels)

    @property
    def answers(self) -> int:
        """How many answers are learnt: the last so many."""
        learnt = [label != IGNORED for label in self.labels]
        return sum(
            now and not before for before, now in zip([False, *learnt], learnt, strict=False)
        )


@dataclass(frozen=True, slots=True)
class Examples:
    """What became of some dialogues.

    Attributes:
        all: The examples, in the order of the dialogues.
        shortened: How many of them lack the oldest turns of their dialogue, which did not fit.
        left_out: How many answers are in none: with their question alone they do not fit.
    """

    all: list[Example]
    shortened: int
    left_out: int


class Cutter:
    """Cuts dialogues into examples of so many tokens at most; every answer is learnt once.

    Args:
        tokenizer: The model's.
        frame: Makes of a dialogue what the model reads, with its labels.
        max_length: Tokens of an example.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, frame: PromptFormat, max_length: int
    ) -> None:
        self._tokenizer, self._frame, self._max_length = tokenizer, frame, max_length

    def cut(self, dialogues: Sequence[Dialogue]) -> Examples:
        """The examples of all dialogues.

        From its last turn backwards, a dialogue's turns are put into one example until it is
        full. The last answer of which it teaches nothing ends the next example: the one before
        its turns, or, by frames of text, the one before its last.
        """
        found: list[Example] = []
        shortened = left_out = 0
        for dialogue in dialogues:
            own: list[Example] = []
            start = end = len(dialogue.exchanges)
            while end:
                start, example = self._ending_at(dialogue, min(start, end - 1), end)
                if example is None:
                    left_out += 1
                    end -= 1
                    continue
                own.append(example)
                shortened += start > 0
                end -= example.answers
            found += reversed(own)
        return Examples(found, shortened, left_out)

    def _ending_at(self, dialogue: Dialogue, start: int, end: int) -> tuple[int, Example | None]:
        """The longest example that fits and ends before turn `end`, and the turn it starts with.

        Args:
            dialogue: Of which it is.
            start: A turn with which it fits, if any example does.
            end: The turn after it.
        """
        best: Example | None = None
        for earlier in range(start, -1, -1):
            ids, labels = self._frame.encode_training(
                self._tokenizer, dialogue.messages(earlier, end)
            )
            if len(ids) > self._max_length:
                break
            start, best = earlier, Example(ids, labels)
        return start, best


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes a batch of examples, and leaves their labels as they are.

    Attributes:
        pad_id: Fills the shorter ones.
        left: Whether they are filled on the left.
    """

    pad_id: int
    left: bool

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """int64 [B, S] each: input_ids, attention_mask, labels."""
        import torch

        length = max(len(example.ids) for example in examples)
        rows: dict[str, list[list[int]]] = {
            "input_ids": [self._filled(one.ids, self.pad_id, length) for one in examples],
            "attention_mask": [self._filled([1] * len(one.ids), 0, length) for one in examples],
            "labels": [self._filled(one.labels, IGNORED, length) for one in examples],
        }
        return {name: torch.tensor(row) for name, row in rows.items()}

    def _filled(self, row: list[int], filler: int, length: int) -> list[int]:
        rest = [filler] * (length - len(row))
        return rest + row if self.left else row + rest


def check_examples(examples: Examples, max_length: int, model: Any) -> None:
    """That there is something to learn, of tokens that the model knows.

    Raises:
        ConfigurationError: There is not.
    """
    if not examples.all:
        raise ConfigurationError(
            f"no turn fits into max_length, {max_length} tokens, with its answer "
            f"({examples.left_out} were tried): raise max_length"
        )
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(max(example.ids) for example in examples.all)
    if highest >= rows:
        raise ConfigurationError(
            f"the tokenizer gives ids up to {highest}, the model knows {rows}: they do not belong "
            "together"
        )
