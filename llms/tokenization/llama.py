"""Tokenizer of LLaMA and of models trained on it, such as BELLE."""

from __future__ import annotations

from .base import PieceTokenizer


class PieceLlamaTokenizer(PieceTokenizer):
    """LLaMA of 2023 and what was trained on it, such as BELLE: <s>, then a text.

    transformers 5's own LlamaTokenizer gives other ids for leading and for repeated blanks.
    """

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """<s> before each text."""
        first = [self.bos_token_id, *token_ids_0]
        return first if token_ids_1 is None else [*first, self.bos_token_id, *token_ids_1]
