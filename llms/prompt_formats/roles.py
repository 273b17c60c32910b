"""Prompt format of ChatGLM3-6B: a special token for each role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from memorybank_core.errors import ConfigurationError

from .base import encode_text
from .messages import IGNORED_LABEL, Messages, join_for_answer, join_for_training

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class RoleFormat:
    """Prompt format with a role token, a line of tool metadata and the text for each message.

    Role tokens are inserted as ids, so that no text can imitate another role. An answer ends with
    the user's token, or with </s> at the end of a conversation to train on.
    """

    name: str = "chatglm3"
    stop: tuple[str, ...] = ()

    def encode(self, tokenizer: PreTrainedTokenizerBase, messages: Messages) -> list[int]:
        """Return the ids of the prompt; see `PromptFormat.encode`."""
        ids = self._prefix_ids(tokenizer)
        for message in join_for_answer(messages):
            role = self._token_id(tokenizer, f"<|{message.role}|>")
            ids += [role, *self.encode_content(tokenizer, message.text)]
        return [*ids, self._token_id(tokenizer, "<|assistant|>")]

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the end-of-sequence id and the ids of the roles that follow an answer."""
        roles = [self._token_id(tokenizer, name) for name in ("<|user|>", "<|observation|>")]
        return [tokenizer.eos_token_id, *roles]

    def encode_training(
        self, tokenizer: PreTrainedTokenizerBase, messages: Messages
    ) -> tuple[list[int], list[int]]:
        """Return ids and labels; see `PromptFormat.encode_training`."""
        ids = self._prefix_ids(tokenizer)
        labels = [IGNORED_LABEL] * len(ids)
        stop_ids = frozenset(self.stop_ids(tokenizer))
        follows_answer = False
        for message in join_for_training(messages):
            role = self._token_id(tokenizer, f"<|{message.role}|>")
            labels.append(role if follows_answer and role in stop_ids else IGNORED_LABEL)
            content = self.encode_content(tokenizer, message.text)
            follows_answer = message.role == "assistant"
            labels += content if follows_answer else [IGNORED_LABEL] * len(content)
            ids += [role, *content]
        return [*ids, tokenizer.eos_token_id], [*labels, tokenizer.eos_token_id]

    @staticmethod
    def encode_content(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
        """Return the ids after a role token: an empty line of metadata, and the text."""
        metadata = encode_text(tokenizer, "\n", add_special_tokens=False)
        return metadata + encode_text(tokenizer, text, add_special_tokens=False)

    def _prefix_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        return [self._token_id(tokenizer, name) for name in ("[gMASK]", "<sop>")]

    def _token_id(self, tokenizer: PreTrainedTokenizerBase, name: str) -> int:
        token_ids: dict[str, int] = getattr(tokenizer, "control_ids", {})
        if name not in token_ids:
            raise ConfigurationError(
                f"the prompt format {self.name} needs the token {name}, which "
                f"{type(tokenizer).__name__} lacks: load the tokenizer with "
                f'generation="{self.name}", or choose another format'
            )
        return token_ids[name]
