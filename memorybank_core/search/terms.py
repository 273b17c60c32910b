"""Terms: those of a query, the version of those in the index, and how BM25 weighs them.

Search and the stores share these definitions.
"""

from __future__ import annotations

from dataclasses import dataclass

TERMS_VERSION = 3
"""Version of the terms and traits that stores keep for each memory.

It must rise when `tokenize` or `find_traits` changes: banks then derive them from the texts again.
"""

K1, B = 0.9, 0.4
"""BM25's saturation and length normalization: the defaults of Anserini (Yang et al. 2017)."""


@dataclass(frozen=True, slots=True)
class TermGroup:
    """Forms of one word, which lexical search counts as one term.

    Attributes:
        forms: The forms, as `tokenize` returns them, such as ("go", "went", "gone").
        weight: Factor of its score.
    """

    forms: tuple[str, ...]
    weight: float = 1.0
