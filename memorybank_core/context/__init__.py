"""What a chat application puts into its prompt: the portrait, the summary, recalled memories.

It stands in one marked block, so that `without_recalled` can take it out of whatever comes back:
what was recalled is never stored as new memory. All functions here are pure.
"""

from .block import Context, compose
from .markers import CLOSING, OPENING, without_recalled
from .tokens import CONTEXT_TOKENS, Tokenizer, require_max_tokens, token_counter

__all__ = [
    "CLOSING",
    "CONTEXT_TOKENS",
    "OPENING",
    "Context",
    "Tokenizer",
    "compose",
    "require_max_tokens",
    "token_counter",
    "without_recalled",
]
