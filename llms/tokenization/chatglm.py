"""Tokenizers of ChatGLM-6B, ChatGLM2-6B and ChatGLM3-6B.

Their ids equal those of the official classes, which do not run on transformers 5.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from memorybank_core.errors import ConfigurationError

from .base import PieceTokenizer

_MOST_BLANKS = 80
_BLANKS = re.compile(f" {{2,{_MOST_BLANKS}}}")
_BLANK_PIECE = re.compile(r"<\|blank_([2-9]|[1-7]\d|80)\|>")


class ChatGLMTokenizer(PieceTokenizer):
    """ChatGLM-6B: a text, then [gMASK] and <sop>; a pair is a prompt and its answer with <eop>.

    Lines, tabs and runs of 2 to 80 blanks have pieces of their own.
    """

    vocab_files_names = {"vocab_file": "ice_text.model"}  # noqa: RUF012 - transformers' way
    no_text: ClassVar[tuple[str, ...]] = (
        *("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
        *("<unused_0>", "<ENC>", "<dBLOCK>"),
    )

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The text, [gMASK] and <sop>, and the second text with <eop>."""
        ids = [*token_ids_0, self.marks["[gMASK]"], self.marks["<sop>"]]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.marks["<eop>"]]

    def _marks(self) -> dict[str, int]:
        names = self.no_text[:5]
        missing = [name for name in names if self._convert_token_to_id(name) <= 0]
        if missing:
            raise ConfigurationError(
                f"{self.vocab_file} has no pieces {', '.join(missing)}: it is not ChatGLM-6B's "
                "ice_text.model"
            )
        return {name: self._convert_token_to_id(name) for name in names}

    def _special(self) -> dict[str, str]:
        return {
            "bos_token": "<sop>",
            "eos_token": "<eop>",
            "mask_token": "[MASK]",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
        }

    def _prepared(self, text: str) -> str:
        text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
        return _BLANKS.sub(lambda blanks: f"<|blank_{len(blanks[0])}|>", text)

    def _restored(self, text: str) -> str:
        text = text.replace("<n>", "\n").replace("<|tab|>", "\t")
        return _BLANK_PIECE.sub(lambda piece: " " * int(piece[1]), text)


class ChatGLM2Tokenizer(PieceTokenizer):
    """ChatGLM2-6B: [gMASK] and <sop>, then a text. Gives position ids as well.

    The official class spells <sop> and <eop> without brackets, as a text may do.
    """

    model_input_names = ["input_ids", "attention_mask", "position_ids"]  # noqa: RUF012
    appended: ClassVar[tuple[str, ...]] = ("[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>")

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """[gMASK] and <sop>, the text, and the second text with </s>."""
        ids = [self.marks["[gMASK]"], self.marks["<sop>"], *token_ids_0]
        return ids if token_ids_1 is None else [*ids, *token_ids_1, self.eos_token_id]

    def _pad(self, encoded_inputs: Any, *args: Any, **options: Any) -> Any:
        """Positions count a text's own tokens; those of padding are 0."""
        before = len(encoded_inputs["input_ids"])
        mask = encoded_inputs.get("attention_mask") or [1] * before
        padded = super()._pad(encoded_inputs, *args, **options)
        room = [0] * (len(padded["input_ids"]) - before)
        seen = 0
        places = []
        for shown in mask:
            seen += shown
            places.append(max(seen - 1, 0) if shown else 0)
        right = (options.get("padding_side") or self.padding_side) == "right"
        padded["position_ids"] = [*places, *room] if right else [*room, *places]
        return padded


class ChatGLM3Tokenizer(ChatGLM2Tokenizer):
    """ChatGLM3-6B: as ChatGLM2-6B, with a mark for each role."""

    appended: ClassVar[tuple[str, ...]] = (
        *ChatGLM2Tokenizer.appended,
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"),
    )
