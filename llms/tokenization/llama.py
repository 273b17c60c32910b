"""Tokenizer of the first LLaMA (2023) and of models trained on it, such as BELLE."""

from __future__ import annotations

from .base import PieceTokenizer


class PieceLlamaTokenizer(PieceTokenizer):
    """Tokenizer of LLaMA: a text is preceded by <s>.

    The LlamaTokenizer of transformers 5 gives different ids for leading and repeated spaces.
    """

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Return each text with <s> before it."""
        ids = [self.bos_token_id, *token_ids_0]
        return ids if token_ids_1 is None else [*ids, self.bos_token_id, *token_ids_1]
