"""Tokenizers of ChatGLM-6B, ChatGLM2-6B and ChatGLM3-6B.

Their ids equal those of the official classes, which do not run on transformers 5.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from memorybank_core.errors import ConfigurationError

from .base import PieceTokenizer

_MAX_SPACES = 80
_SPACES = re.compile(f" {{2,{_MAX_SPACES}}}")
_SPACES_PIECE = re.compile(r"<\|blank_([2-9]|[1-7]\d|80)\|>")


class ChatGLMTokenizer(PieceTokenizer):
    """Tokenizer of ChatGLM-6B: a text is followed by [gMASK] and <sop>.

    A pair is a prompt and its answer, which is followed by <eop>. Newlines, tabs and runs of 2 to
    80 spaces have their own pieces.
    """

    vocab_files_names = {"vocab_file": "ice_text.model"}  # noqa: RUF012 - as in transformers
    control_pieces: ClassVar[tuple[str, ...]] = (
        *("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
        *("<unused_0>", "<ENC>", "<dBLOCK>"),
    )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return the text, [gMASK] and <sop>, then the second text with <eop>."""
        ids = [*token_ids_0, self.control_ids["[gMASK]"], self.control_ids["<sop>"]]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.control_ids["<eop>"]]

    def _find_control_ids(self) -> dict[str, int]:
        names = self.control_pieces[:5]
        missing = [name for name in names if self._convert_token_to_id(name) <= 0]
        if missing:
            raise ConfigurationError(
                f"{self.vocab_file} has no pieces {', '.join(missing)}: it is not the "
                "ice_text.model of ChatGLM-6B"
            )
        return {name: self._convert_token_to_id(name) for name in names}

    def _special_tokens(self) -> dict[str, str]:
        return {
            "bos_token": "<sop>",
            "eos_token": "<eop>",
            "mask_token": "[MASK]",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
        }

    def _preprocess(self, text: str) -> str:
        text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
        return _SPACES.sub(lambda spaces: f"<|blank_{len(spaces[0])}|>", text)

    def _postprocess(self, text: str) -> str:
        text = text.replace("<n>", "\n").replace("<|tab|>", "\t")
        return _SPACES_PIECE.sub(lambda piece: " " * int(piece[1]), text)


class ChatGLM2Tokenizer(PieceTokenizer):
    """Tokenizer of ChatGLM2-6B: a text is preceded by [gMASK] and <sop>. Also returns position ids.

    The official class names <sop> and <eop> without brackets, as words that a text may contain.
    """

    model_input_names = ["input_ids", "attention_mask", "position_ids"]  # noqa: RUF012
    appended_tokens: ClassVar[tuple[str, ...]] = ("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return [gMASK] and <sop>, the text, then the second text with </s>."""
        ids = [self.control_ids["[gMASK]"], self.control_ids["<sop>"], *token_ids_0]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def _pad(self, encoded_inputs: Any, *args: Any, **options: Any) -> Any:
        """Pad the input and its position ids. They count the tokens of the text; padding has 0."""
        length = len(encoded_inputs["input_ids"])
        mask = encoded_inputs.get("attention_mask") or [1] * length
        padded = super()._pad(encoded_inputs, *args, **options)
        padding = [0] * (len(padded["input_ids"]) - length)
        count = 0
        positions = []
        for is_text in mask:
            count += is_text
            positions.append(max(count - 1, 0) if is_text else 0)
        pads_right = (options.get("padding_side") or self.padding_side) == "right"
        padded["position_ids"] = [*positions, *padding] if pads_right else [*padding, *positions]
        return padded


class ChatGLM3Tokenizer(ChatGLM2Tokenizer):
    """Tokenizer of ChatGLM3-6B: that of ChatGLM2-6B with a control token for each role."""

    appended_tokens: ClassVar[tuple[str, ...]] = (
        *ChatGLM2Tokenizer.appended_tokens,
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    )
