"""Spelling variants of query words, for words that a bank does not know.

The variants are generated from the word alone and looked up in the index, so that nothing is
stored for them. English words that are spelled correctly have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from string import ascii_lowercase

from .folding import IDEOGRAPHIC
from .tokenize import STOP_WORDS

MIN_LENGTH = 4
"""Length of the shortest Latin word that is corrected: shorter ones resemble too many others."""

_TWO_ERRORS = 6  # letters of a word that may have two
_CHINESE = re.compile("[\u3400-\u9fff]{2}")
_SYLLABLES = re.compile(f"[{IDEOGRAPHIC}]{{2}}")
_VOWELS = "aeiouy"
_ALIKE = [
    tuple(pair.split("-"))
    for pair in """
    c-k c-s c-ts s-z s-ss x-ks ph-f j-y i-y i-j v-w kh-h gh-g ck-k sh-sch ch-tsch ch-tch tz-z ts-z
    th-t dt-t dh-d ae-a oe-o ue-u aa-a ee-i oo-u ou-u ei-ie ie-i ii-i iy-i ij-i yo-e ia-ya a-e o-u
    e-i a-o l-r q-k qu-kw zh-j dj-j gn-ny ll-y
    """.split()
]
"""Letters that are confused or that transliterations of a name differ in."""
_BROKEN_ENDINGS = "ng ign nig inng iing in d de edd".split()
"""What typing errors make of the endings -ing and -ed."""


def near_forms(form: str) -> Sequence[Sequence[str]]:
    """Return what an unknown term may be a variant of: groups of terms, likeliest group first.

    Of a Latin word, the terms that one typing error, or two slight ones, or another transliteration
    separates from it, and pairs of Chinese characters, kana or Hangul that are read like it. Of
    such a pair, its reading, and of Chinese the pairs that sound the same.

    Args:
        form: A term, as `tokenize` returns it.

    Returns:
        Groups of distinct terms without `form` itself; at most a few thousand terms in all, most of
        which exist nowhere.
    """
    if _SYLLABLES.fullmatch(form):
        groups = _near_pairs(form)
    elif form.isascii() and form.isalpha() and len(form) >= MIN_LENGTH and not _is_english(form):
        groups = _near_words(form)
    else:
        return ()
    seen = {form, ""}
    result = []
    for group in groups:
        terms = tuple(dict.fromkeys(term for term in group if term not in seen))
        seen.update(terms)
        result.append(terms)
    return tuple(group for group in result if group)


def joined_syllables(terms: Sequence[str]) -> list[str]:
    """Return pairs of neighbouring terms that may be a Chinese name in pinyin, such as lina."""
    from .romanization import is_syllable  # builds a table, which few queries need

    latin = [term.isascii() and term.isalpha() and len(term) < 7 for term in terms]
    return [
        terms[i] + terms[i + 1]
        for i in range(len(terms) - 1)
        if latin[i]
        and latin[i + 1]
        and not (_is_english(terms[i]) and _is_english(terms[i + 1]))
        and is_syllable(terms[i])
        and is_syllable(terms[i + 1])
    ]


def _near_words(word: str) -> list[Iterable[str]]:
    from .romanization import pairs_read_as

    slight = _slight_edits(word)
    if any(edit in STOP_WORDS for edit in slight):
        return []
    twice = (e for edit in slight for e in _slight_edits(edit)) if len(word) >= _TWO_ERRORS else ()
    edits = [*_other_edits(word), *_other_endings(word)]
    return [
        slight,
        pairs_read_as(word),
        [edit for edit in edits if _is_english(edit)],
        edits,
        twice,
    ]


def _near_pairs(pair: str) -> list[Iterable[str]]:
    from .romanization import homophones, near_homophones, reading

    latin = reading(pair)
    groups: list[Iterable[str]] = [[latin, latin.replace("l", "r")]]
    if _CHINESE.fullmatch(pair):
        first, second = pair
        groups += [
            [*(first + c for c in sounds(second)), *(c + second for c in sounds(first))]
            for sounds in (homophones, near_homophones)
        ]
    return groups


def _slight_edits(word: str) -> list[str]:
    """Return the words with swapped letters, or a letter once instead of twice, or alike letters."""
    cuts = range(len(word) - 1)
    swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in cuts]
    single = [word[:i] + word[i + 1 :] for i in cuts if word[i] == word[i + 1]]
    double = [word[: i + 1] + word[i:] for i in range(len(word)) if word[i] not in "hjqwxy"]
    alike = [
        word[:at] + new + word[at + len(old) :]
        for pair in _ALIKE
        for old, new in (pair, pair[::-1])
        if old in word
        for at in range(len(word))
        if word.startswith(old, at)
    ]
    return [*swapped, *single, *double, *alike]


def _other_edits(word: str) -> list[str]:
    """Return the words with a missing, additional or wrong letter, not the first."""
    splits = [(word[:i], word[i:]) for i in range(1, len(word) + 1)]
    extended = [a + c + b for a, b in splits for c in ascii_lowercase]
    shortened = [a + b[1:] for a, b in splits[:-1]]
    replaced = [a + c + b[1:] for a, b in splits[:-1] for c in ascii_lowercase]
    return [*extended, *shortened, *replaced, word[1:]]


def _other_endings(word: str) -> list[str]:
    """Return the stems of a word whose ending -ing or -ed has a typing error."""
    stems = [word.removesuffix(end) for end in _BROKEN_ENDINGS if word.endswith(end)]
    return [stem + end for stem in stems if len(stem) >= MIN_LENGTH - 1 for end in ("", "e")]


def _is_english(word: str) -> bool:
    return word in _english_stems()


@cache
def _english_stems() -> frozenset[str]:
    """Return the stems of 40,000 English words."""
    file = resources.files(__package__).joinpath("scowl").joinpath("english_stems.txt")
    return frozenset(file.read_text("utf-8").split())
