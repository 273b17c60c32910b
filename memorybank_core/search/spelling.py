"""Spelling variants of query words, for words that a bank does not know.

The variants are generated from the word alone and looked up in the index, so that nothing is
stored for them. English words that are spelled correctly have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise
from string import ascii_lowercase

from .folding import IDEOGRAPHIC
from .tokenize import STOP_WORDS, stem

MIN_LENGTH = 4
"""Minimum length of a Latin word that is corrected: shorter ones resemble too many others."""

_MIN_TWO_ERRORS, _MAX_TWO_SLIPS = 5, 10
"""Minimum length of a word that may have two errors, and maximum length for two slips."""
_CHINESE = re.compile("[\u3400-\u9fff]{2}")
_PARTICLES = frozenset("的了着过吗呢么吧是不在这那什")  # a pair with one of them is rarely a word
_SYLLABLES = re.compile(f"[{IDEOGRAPHIC}]{{2}}")
_LONG_VOWELS = {"a": "a", "e": "y", "i": "y", "o": "wv", "u": "wv"}
_MAX_CONSONANTS = 200
_PAIRS = """
    c-k c-s c-ts s-z s-ss x-ks ph-f ph-v j-y i-y i-j v-w kh-h gh-g ck-k sh-sch ch-tsch ch-tch tz-z
    ts-z th-t dt-t dh-d ae-a oe-o ue-u aa-a ee-i oo-u ou-u ei-ie ie-i ii-i iy-i ij-i yo-e ia-ya a-e
    o-u e-i a-o l-r q-k qu-kw zh-j dj-j gn-ny ll-y
"""
_ALIKE: dict[str, list[str]] = {}
"""Letters that are confused or that transliterations of a name differ in."""
for _letters, _other in (pair.split("-") for pair in _PAIRS.split()):
    _ALIKE.setdefault(_letters, []).append(_other)
    _ALIKE.setdefault(_other, []).append(_letters)
_STEMMED = ("ment", "tion", "ness", "able", "ing", "ity", "ant", "ent", "ive", "ous", "ful", "ed")
_BROKEN_ENDINGS = "ng ign nig inng iing in d de edd".split()
"""The endings -ing and -ed with typing errors."""

_PINYIN = re.compile(
    "(?:[bpmfdtnlgkhrzcsyw]|[zcs]h)?"
    "(?:a|o|e|ai|ei|ao|ou|an|en|ang|eng|ong|er|i|u|ua|uo|uai|ui|uan|un|uang)"
    "|[bpmdtnljqxy](?:i|ia|ie|iao|iu|ian|in|iang|ing|iong|u|ue|uan|un|v|ve)"
)
"""A syllable of pinyin."""
_WORDS_WITHOUT_TOPIC = STOP_WORDS | frozenset(
    """
    about also any because been before but can could every ever first from into just last many may
    might more most much must never only other over should since some than then there thing
    think though through until very want well will would your
    """.split()
)
"""Words that are meant by many typing errors and that no search needs."""


def near_forms(form: str) -> Iterator[Sequence[str]]:
    """Yield what an unknown term may be a variant of: groups of terms, likeliest group first.

    Of a Latin word, the terms that one typing error, or two slight ones, or another transliteration
    separates from it, and pairs of Chinese characters, kana or Hangul that are read like it. Of
    such a pair, its reading, and of Chinese the pairs that sound the same.

    Args:
        form: A term, as `tokenize` returns it.

    Yields:
        Groups of distinct terms without `form` itself, none of them empty: a few thousand terms at
        most, nearly all of which exist nowhere.
    """
    if _SYLLABLES.fullmatch(form):
        groups = _near_pairs(form)
    elif form.isascii() and form.isalpha() and len(form) >= MIN_LENGTH and not _is_english(form):
        groups = _near_words(form)
    else:
        return
    seen = {form, ""}
    for group in groups:
        if terms := tuple(dict.fromkeys(term for term in group if term not in seen)):
            seen.update(terms)
            yield terms


def joined_syllables(terms: Sequence[str]) -> list[str]:
    """Return neighbouring terms that may be a Chinese name in pinyin as one, such as lina."""
    return [
        first + second
        for first, second in pairwise(terms)
        if _PINYIN.fullmatch(first)
        and _PINYIN.fullmatch(second)
        and not (_is_english(first) and _is_english(second))
    ]


def _near_words(word: str) -> Iterator[Iterable[str]]:
    from .romanization import pairs_read_as

    slips, alike = _slips(word), _alike(word)
    slight = [*slips, *alike]
    if not _WORDS_WITHOUT_TOPIC.isdisjoint(slight):
        return
    yield [*slight, *(stem(edit) for edit in slight if edit.endswith(_STEMMED))]
    yield pairs_read_as(word)
    edits = [*_other_edits(word), *_other_endings(word)]
    yield [edit for edit in edits if _is_english(edit)]
    yield edits
    if len(word) >= _MIN_TWO_ERRORS:
        yield [twice for edit in alike for twice in _alike(edit)]
    if _MIN_TWO_ERRORS <= len(word) <= _MAX_TWO_SLIPS:
        yield [twice for edit in slips for twice in _slips(edit)]
    yield pairs_read_as(word, syllables=3)
    yield _consonants(word)


def _near_pairs(pair: str) -> Iterator[Iterable[str]]:
    from .romanization import homophones, near_homophones, reading

    latin = reading(pair)
    yield [latin, latin.replace("l", "r")]
    if _CHINESE.fullmatch(pair) and _PARTICLES.isdisjoint(pair):
        first, second = pair[0], pair[1]
        for sounds in (homophones, near_homophones):
            yield [*(first + c for c in sounds(second)), *(c + second for c in sounds(first))]


def _slips(word: str) -> list[str]:
    """Return the words with two letters swapped, or a letter doubled or single."""
    cuts = range(len(word) - 1)
    swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in cuts]
    single = [word[:i] + word[i + 1 :] for i in cuts if word[i] == word[i + 1]]
    double = [word[: i + 1] + word[i:] for i in range(len(word)) if word[i] not in "hjqwxy"]
    return [*swapped, *single, *double]


def _alike(word: str) -> list[str]:
    """Return the words with letters replaced by similar ones."""
    return [
        word[:i] + new + word[i + size :]
        for i in range(len(word))
        for size in (1, 2, 3, 4)
        for new in _ALIKE.get(word[i : i + size], ())
        if i + size <= len(word)
    ]


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


def _consonants(word: str) -> list[str]:
    """Return a name as Arabic and Hebrew write it: with letters for long vowels at most."""
    forms = [""]
    for i, letter in enumerate(word[:12]):
        options = _LONG_VOWELS.get(letter, letter if letter != word[i - 1 : i] else "")
        if letter in _LONG_VOWELS:
            forms = [form + option for form in forms for option in ("", *options)][:_MAX_CONSONANTS]
        else:
            forms = [form + options for form in forms]
    forms += [form + "h" for form in forms if word.endswith("a")]
    return [form for form in forms if len(form) >= MIN_LENGTH - 1]


def _is_english(word: str) -> bool:
    return word in _english_stems()


@cache
def _english_stems() -> frozenset[str]:
    """Return the stems of 40,000 English words."""
    file = resources.files(__package__).joinpath("scowl").joinpath("english_stems.txt")
    return frozenset(file.read_text("utf-8").split())
