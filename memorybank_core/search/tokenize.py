"""Tokenizer of lexical search: the terms of a text in any script.

Words are folded and stemmed (English Snowball). Chinese, Japanese, Korean, Thai, Lao, Khmer and
Burmese text becomes single characters or syllables and pairs of them: this needs no dictionary, so
that unusual names are found as well, and Korean words are found without their particles.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import snowballstemmer

from memorybank_core.text_caches import cache_by_text

from .folding import IDEOGRAPHIC, KATAKANA, SYLLABIC, SYLLABIC_MARKS, fold
from .numbers import NUMBER, number_terms

_LETTER = rf"[^\W\d_{SYLLABIC}{IDEOGRAPHIC}]"
_WORD = rf"{_LETTER}+(?:'{_LETTER}+)*(?:\+\+|\#(?![a-z\d])|\d[^\W_{SYLLABIC}{IDEOGRAPHIC}]*)?"
_TERMS = (
    rf"v\d+(?:\.\d+)+|{_WORD}|[{IDEOGRAPHIC}]+|[{SYLLABIC}]+|\d+[a-z]+\d[a-z\d]*|{NUMBER}"
    r"|(?<!\w)\.net\b"
)
# The part before @ has at most 64 characters (RFC 5321), so that no text takes quadratic time.
_ADDRESS = r"(?:https?|ftp)://[!-~]+|www\.[!-~]+|[a-z\d._%+-]{1,64}@[a-z\d-]+(?:\.[a-z\d-]+)+"
_RUN = re.compile(_TERMS)
_RUN_OR_ADDRESS = re.compile(f"{_ADDRESS}|{_TERMS}")
_SCHEME = re.compile(r"[a-z]+://(?:www\.)?|www\.")
_SPACED_NUMBER = re.compile(r"\d\)? [-/(]? ?\d")
_MAX_CACHED_LENGTH = 40  # characters; longer ones are rarely words
_SYLLABLE = re.compile(f"[^{SYLLABIC_MARKS}][{SYLLABIC_MARKS}]*|.")
_KATAKANA = re.compile(f"[{KATAKANA}]")
_FOREIGN_WORD = re.compile(f"[{KATAKANA}]{{3,}}")
_HIRAGANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_FIRST_SYLLABIC, _FIRST_IDEOGRAPHIC = SYLLABIC[0], IDEOGRAPHIC[0]
_PARTS = re.compile(r"[^\W\d]+|\d+")
_MAX_PARTS = 3  # a code of more alternating letters and digits is one term only
_ENDINGS = frozenset("s t d m ll re ve".split())  # after an apostrophe

STOP_WORDS = frozenset(
    """
    a an the and or of to in on at by for from with as is are was were be been am do does did
    have has had i you he she it we they me him them my your his her its our their this that
    these those what which who whom how when where why s t d m ll re ve not
    """.split()
)
"""Frequent English words that carry no topic."""


def tokenize(text: str) -> list[str]:
    """Return the terms of `text` for lexical search, with repetitions."""
    folded = fold(text)
    terms: list[str] = []
    if folded.isascii() and not _SPACED_NUMBER.search(folded):
        for chunk in folded.split():
            terms.extend(
                _chunk_terms(chunk) if len(chunk) <= _MAX_CACHED_LENGTH else _find_terms(chunk)
            )
        return terms
    return _find_terms(folded)


def _find_terms(folded: str) -> list[str]:
    """Return the terms of folded text."""
    has_address = "@" in folded or "://" in folded or "www." in folded
    has_katakana = not folded.isascii() and _KATAKANA.search(folded)
    terms: list[str] = []
    for run in (_RUN_OR_ADDRESS if has_address else _RUN).findall(folded):
        if run < _FIRST_SYLLABIC:
            terms.extend(_run_terms(run))
        else:
            if has_katakana:
                terms.extend(_foreign_words(run))
                run = run.translate(_HIRAGANA)
            units = run if run >= _FIRST_IDEOGRAPHIC else _SYLLABLE.findall(run)
            terms.extend(units)
            terms.extend(map("".join, itertools.pairwise(units)))
    return terms


@cache_by_text(32_768)
def _chunk_terms(chunk: str) -> tuple[str, ...]:
    """Return the terms of folded text without spaces: as a rule, a word and its punctuation."""
    return tuple(_find_terms(chunk))


@cache_by_text(32_768)
def stem(word: str) -> str:
    """Return the stem of a folded word; "" if it is a stop word."""
    if word in STOP_WORDS:
        return ""
    return str(_STEMMER.stemWord(word)) if word.isascii() else word


@cache_by_text(32_768)
def _run_terms(run: str) -> tuple[str, ...]:
    """Return the terms of a word, number, code or address."""
    if run.isalpha():
        terms = [stem(run)]
    elif "@" in run or _SCHEME.match(run):
        address = _SCHEME.sub("", run, count=1).rstrip("!\"'),./:;>?]")
        terms = [address, *(term for part in _RUN.findall(address) for term in _run_terms(part))]
    elif run.startswith("v") and "." in run:
        terms = number_terms(run[1:])
    elif "'" in run and run[0].isalpha():
        terms = _apostrophe_terms(run)
    elif run[-1] in "+#" or run == ".net":
        terms = [run]
    elif run.isalnum() and not run.isdecimal():
        terms = _code_terms(run)
    else:
        terms = number_terms(run)
    return tuple(filter(None, terms))


def _apostrophe_terms(word: str) -> list[str]:
    """Return the terms of a word with apostrophes: Nora of Nora's, OBrien and Brien of O'Brien.

    Of Ayse'nin and Qur'an, which a suffix or a letter of the word follows, both ways of reading.
    """
    head, *rest = word.split("'")
    if rest[-1] in _ENDINGS:
        rest.pop()
    if not rest:
        return [stem(head)]
    return [stem(head + "".join(rest)), *(stem(part) for part in (head, *rest) if len(part) > 2)]


def _code_terms(code: str) -> list[str]:
    """Return a code such as AB12 or 4f7a, and its letters and digits, as in AB-12."""
    parts = _PARTS.findall(code)
    if len(parts) > _MAX_PARTS:
        return [code]
    long = (part for part in parts if len(part) > 1 or part.isdecimal())
    return [code, *(term for part in long for term in _run_terms(part))]


def _foreign_words(run: str) -> Iterator[str]:
    """Return the words in katakana, most of them names, in Latin letters."""
    from anyascii import anyascii

    return (anyascii(word).lower() for word in _FOREIGN_WORD.findall(run))


_STEMMER = snowballstemmer.stemmer("english")
