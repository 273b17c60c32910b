"""Options of a recalled context that an adapter checks before its first call."""

from __future__ import annotations

from memorybank_core.validation import require_count, require_relevance

from .tokens import Tokenizer, require_max_tokens, token_counter


def require_options(
    k: int | None, max_tokens: int, min_relevance: float, tokenizer: Tokenizer | None = None
) -> None:
    """Raise InvalidInputError unless `MemoryBank.context` can take these options.

    Args:
        k: Maximum number of memories; None takes as many as fit.
        max_tokens: Maximum length of the text.
        min_relevance: Minimum relevance of a memory.
        tokenizer: Counts tokens; None takes the default.
    """
    if k is not None:
        require_count(k)
    require_max_tokens(max_tokens)
    require_relevance(min_relevance)
    token_counter(tokenizer)
