"""Tokenizer of lexical search for English and Chinese text.

Words of alphabetic scripts are stemmed (English Snowball). Runs of Chinese characters or Japanese
kana become single characters and pairs of characters: this needs no dictionary, so that
unusual names are found as well.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import snowballstemmer

from memorybank_core.text import CJK, CJK_CHARACTER

_RUN = re.compile(rf"[{CJK}]+|[^\W_{CJK}]+(?:['’][^\W\d_{CJK}]+)?")

_FIRST_CJK = CJK[0]

STOP_WORDS = frozenset(
    """
    a an the and or of to in on at by for from with as is are was were be been am do does did
    have has had i you he she it we they me him them my your his her its our their this that
    these those what which who whom how when where why s t d m ll re ve not
    """.split()
)
"""Frequent English words that carry no topic."""


def tokenize(text: str) -> list[str]:
    """Return the terms of `text` for lexical search, in order, with repetitions."""
    terms: list[str] = []
    for run in _RUN.findall(_fold(text)):
        if run >= _FIRST_CJK and CJK_CHARACTER.match(run):
            terms.extend(run)
            terms.extend(run[i : i + 2] for i in range(len(run) - 1))
        elif term := _to_term(run):
            terms.append(term)
    return terms


def _fold(text: str) -> str:
    """Return `text` in lower case, without full-width forms and accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize(
        "NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f")
    )


@lru_cache(maxsize=65_536)
def _to_term(word: str) -> str:
    """Return the stem of a word, without 's and the like; "" if it is a stop word."""
    word = re.split("['’]", word, maxsplit=1)[0]
    if word in STOP_WORDS:
        return ""
    return str(_STEMMER.stemWord(word)) if word.isascii() else word


_STEMMER = snowballstemmer.stemmer("english")
