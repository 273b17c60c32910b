"""Spelling variants of query words, for words that a bank does not know.

The variants are generated from the word alone and looked up in the index, so that nothing is
stored for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

MIN_LENGTH = 4
"""Length of the shortest Latin word that is corrected: shorter ones resemble too many others."""


def near_forms(form: str) -> Sequence[str]:
    """Return the terms that one typing error separates from an unknown term, likeliest first.

    Args:
        form: A term, as `tokenize` returns it.

    Returns:
        Distinct terms without `form` itself; at most a few thousand, most of which exist nowhere.
    """
    if not (form.isascii() and form.isalpha() and len(form) >= MIN_LENGTH):
        return ()
    return tuple(form for form in dict.fromkeys(_single_edits(form)) if form)


def _single_edits(word: str) -> list[str]:
    """Return the words one error away: swapped, missing, additional and wrong letters."""
    splits = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    swapped = [a + b[1] + b[0] + b[2:] for a, b in splits[:-2] if b[0] != b[1]]
    shortened = [a + b[1:] for a, b in splits[:-1]]
    extended = [a + c + b for a, b in splits for c in ascii_lowercase]
    replaced = [a + c + b[1:] for a, b in splits[:-1] for c in ascii_lowercase if c != b[0]]
    return swapped + shortened + extended + replaced
