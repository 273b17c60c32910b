"""Interface of a prompt format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .messages import Messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class PromptFormat(Protocol):
    """Encodes conversations as token ids, in the format that a model was trained on.

    Attributes:
        name: Its name in `PROMPT_FORMATS`.
        stop: Strings that end an answer and do not belong to it.
    """

    @property
    def name(self) -> str:
        """Its name in `PROMPT_FORMATS`."""
        ...

    @property
    def stop(self) -> tuple[str, ...]:
        """Strings that end an answer and do not belong to it."""
        ...

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """Return the ids of the prompt after which the model writes its answer to `messages`.

        Raises:
            ConfigurationError: If a message has an unknown role or no text, the last message is
                the assistant's, or the tokenizer belongs to another model.
        """
        ...

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the ids that end an answer."""
        ...

    def encode_training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """Return the ids of a conversation to train on, and their labels.

        All labels are -100, except for the tokens of answers and those that end them. The ids
        before an answer with labels are those of `encode` for the conversation up to there. If the
        format renders the conversation as one text, only the last answer has labels, because token
        boundaries inside the text are not known.

        Raises:
            ConfigurationError: As for `encode`, but the last message must be the assistant's.
        """
        ...


def encode_text(
    tokenizer: PreTrainedTokenizerBase, text: str, *, add_special_tokens: bool = True
) -> list[int]:
    """Return the ids of a text; special tokens spelled in it are encoded as ordinary text.

    Args:
        tokenizer: The tokenizer.
        text: The text.
        add_special_tokens: Whether to add the special tokens that the tokenizer puts around a text.
    """
    return list(
        tokenizer.encode(text, add_special_tokens=add_special_tokens, split_special_tokens=True)
    )
