"""Conversion of dialogues to training examples: token ids, and labels for tokens of answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llms.prompt_formats.messages import IGNORED_LABEL
from memorybank_core.errors import ConfigurationError

from .dialogues import Dialogue

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from llms.prompt_formats import PromptFormat


@dataclass(frozen=True, slots=True)
class Example:
    """Part of a dialogue as the model's input, with labels.

    Attributes:
        ids: Token ids.
        labels: The token id for tokens of an answer and the token that ends it; `IGNORED_LABEL`
            for all others.
    """

    ids: list[int]
    labels: list[int]

    @property
    def target_count(self) -> int:
        """Number of tokens with a label."""
        return sum(label != IGNORED_LABEL for label in self.labels)

    @property
    def answer_count(self) -> int:
        """Number of answers with labels; they are the last ones of the example."""
        has_label = [label != IGNORED_LABEL for label in self.labels]
        return sum(
            current and not previous
            for previous, current in zip([False, *has_label], has_label, strict=False)
        )


@dataclass(frozen=True, slots=True)
class ExampleSet:
    """Examples made from several dialogues.

    Attributes:
        examples: The examples, in the order of the dialogues.
        shortened: Number of examples without the oldest turns of their dialogue, which did not fit.
        left_out: Number of answers that no example contains, because they do not fit even with
            only their question.
    """

    examples: list[Example]
    shortened: int
    left_out: int


class DialogueSplitter:
    """Splits dialogues into examples of limited length. Every answer has labels in one example.

    Args:
        tokenizer: The model's tokenizer.
        prompt_format: Turns messages into token ids and labels.
        max_length: Maximum number of tokens of an example.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, prompt_format: PromptFormat, max_length: int
    ) -> None:
        self._tokenizer = tokenizer
        self._prompt_format = prompt_format
        self._max_length = max_length

    def split(self, dialogues: Sequence[Dialogue]) -> ExampleSet:
        """Return the examples of all dialogues.

        A dialogue is split from its end: an example takes turns backwards until it is full. The
        next example then ends with the last answer that has no labels yet: the one before the
        example or, with prompt formats that label only the last answer, the one before that answer.
        """
        examples: list[Example] = []
        shortened = left_out = 0
        for dialogue in dialogues:
            reversed_examples: list[Example] = []
            start = end = len(dialogue.exchanges)
            while end:
                start, example = self._longest_example(dialogue, min(start, end - 1), end)
                if example is None:
                    left_out += 1
                    end -= 1
                    continue
                reversed_examples.append(example)
                shortened += start > 0
                end -= example.answer_count
            examples += reversed(reversed_examples)
        return ExampleSet(examples, shortened, left_out)

    def _longest_example(
        self, dialogue: Dialogue, start: int, end: int
    ) -> tuple[int, Example | None]:
        """Return the longest example that fits and ends before turn `end`, and its first turn.

        Args:
            dialogue: The dialogue.
            start: A first turn with which the example fits, if any example does.
            end: The turn after the example.
        """
        longest: Example | None = None
        for first in range(start, -1, -1):
            ids, labels = self._prompt_format.encode_training(
                self._tokenizer, dialogue.messages(first, end)
            )
            if len(ids) > self._max_length:
                break
            start, longest = first, Example(ids, labels)
        return start, longest


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes a padded batch of examples, without changing their labels.

    Attributes:
        pad_id: Id of the padding token.
        pad_left: Whether to pad on the left.
    """

    pad_id: int
    pad_left: bool

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """Return input_ids, attention_mask and labels, int64 [B, S] each."""
        import torch

        length = max(len(example.ids) for example in examples)
        rows = {
            "input_ids": [self._pad(example.ids, self.pad_id, length) for example in examples],
            "attention_mask": [
                self._pad([1] * len(example.ids), 0, length) for example in examples
            ],
            "labels": [self._pad(example.labels, IGNORED_LABEL, length) for example in examples],
        }
        return {name: torch.tensor(row) for name, row in rows.items()}

    def _pad(self, row: list[int], value: int, length: int) -> list[int]:
        padding = [value] * (length - len(row))
        return padding + row if self.pad_left else row + padding


def require_trainable(example_set: ExampleSet, max_length: int, model: Any) -> None:
    """Require that there are examples, and that the model has an embedding for all their tokens.

    Args:
        example_set: The examples.
        max_length: Maximum number of tokens of an example, for the error message.
        model: The model.

    Raises:
        ConfigurationError: If the set is empty, or a token id has no embedding.
    """
    if not example_set.examples:
        raise ConfigurationError(
            f"max_length, {max_length} tokens, is too short for every question with its answer "
            f"({example_set.left_out} turns): raise max_length"
        )
    vocabulary_size = model.get_input_embeddings().weight.shape[0]
    highest = max(max(example.ids) for example in example_set.examples)
    if highest >= vocabulary_size:
        raise ConfigurationError(
            f"the tokenizer uses ids up to {highest}, but the model has {vocabulary_size} "
            "embeddings: the tokenizer is of another model"
        )
