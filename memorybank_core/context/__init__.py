"""Context for a prompt: the user's portrait, the summary and recalled memories.

The context is one marked block, so that `without_recalled` can remove it from whatever is stored
next: recalled text never becomes a new memory. Nothing here writes to the store.
`compute_signals` and `find_missing_days` read it; the other functions are pure.
"""

from memorybank_core.search.relevance import MAX_REINFORCED, MIN_RELEVANCE

from .block import Context, compose
from .markers import CLOSING, OPENING, without_recalled
from .missing_days import find_missing_days
from .options import require_options
from .passages import QuerySignals, compute_signals
from .shown import Shown, ShownMemories
from .tokens import (
    CONTEXT_TOKENS,
    Tokenizer,
    memories_within,
    require_max_tokens,
    token_counter,
)

__all__ = [
    "CLOSING",
    "CONTEXT_TOKENS",
    "MAX_REINFORCED",
    "MIN_RELEVANCE",
    "OPENING",
    "Context",
    "QuerySignals",
    "Shown",
    "ShownMemories",
    "Tokenizer",
    "compose",
    "compute_signals",
    "find_missing_days",
    "memories_within",
    "require_max_tokens",
    "require_options",
    "token_counter",
    "without_recalled",
]
