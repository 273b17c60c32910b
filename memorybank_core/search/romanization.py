"""Readings of Chinese characters, kana and Hangul in Latin letters, and the characters of a reading.

Readings are those of anyascii: pinyin without tones, Hepburn, and the revised romanization.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from anyascii import anyascii

_LONGEST = 6  # letters of a syllable, as in zhuang
_MAX_PAIRS = 2_000
_GRAMMATICAL = frozenset("的了吗呢么吧啊我你您他她它们是不在有这那哪个就都也和与没很还要会能去来")
"""Frequent characters that names rarely contain."""


def reading(text: str) -> str:
    """Return the syllables of Chinese characters, kana or Hangul in Latin letters."""
    return anyascii(text).lower()


def pairs_read_as(word: str) -> list[str]:
    """Return the pairs of characters that may be written for a Latin word of two syllables.

    Of a word of three syllables, such as a Chinese full name, the pairs of the last two.
    """
    pairs: list[str] = []
    for syllables in _splits(word, 3):
        if len(syllables) >= 2:
            for table in _tables():
                first, second = (table.get(syllable, "") for syllable in syllables[-2:])
                pairs += map("".join, product(first, second))
    return pairs[:_MAX_PAIRS]


def is_syllable(word: str) -> bool:
    """Return whether a word is one syllable of pinyin."""
    return word in _tables()[0]


def homophones(char: str) -> str:
    """Return the other Chinese characters with the reading of this one, frequent ones first."""
    return _tables()[0].get(reading(char), "").replace(char, "")


def near_homophones(char: str) -> str:
    """Return Chinese characters whose reading is often confused with that of this one.

    zh, ch and sh with z, c and s, and a final ng with n.
    """
    sound = reading(char)
    swapped = sound[0] + sound[2:] if sound[1:2] == "h" else sound[:1] + "h" + sound[1:]
    nasal = sound[:-1] if sound.endswith("ng") else sound + "g" if sound.endswith("n") else ""
    starts_alike = sound[:1] in "zcs"
    return _tables()[0].get(swapped if starts_alike else "", "") + _tables()[0].get(nasal, "")


def _splits(word: str, most: int) -> Iterator[tuple[str, ...]]:
    """Yield the ways to read a word as at most `most` syllables."""
    if any(word in table for table in _tables()):
        yield (word,)
    if most > 1:
        for end in range(1, min(len(word), _LONGEST + 1)):
            if any(word[:end] in table for table in _tables()):
                for rest in _splits(word[end:], most - 1):
                    yield word[:end], *rest


@cache
def _tables() -> tuple[dict[str, str], ...]:
    """Return the characters of each syllable: Chinese ones, hiragana and Hangul."""
    tables: tuple[dict[str, str], ...] = ({}, {}, {})
    hiragana = map(chr, range(0x3041, 0x3095))
    hangul = map(chr, range(0xAC00, 0xD7A4))
    for table, chars in zip(tables, (_frequent_characters(), hiragana, hangul), strict=True):
        for char in chars:
            syllable = reading(char)
            table[syllable] = table.get(syllable, "") + char
    return tables


def _frequent_characters() -> Iterator[str]:
    """Yield the characters of GB 2312: 3,755 frequent ones, then 3,008 of names and places."""
    for row, cell in product(range(0xB0, 0xF8), range(0xA1, 0xFF)):
        char = bytes((row, cell)).decode("gb2312", "ignore")
        if char and char not in _GRAMMATICAL:
            yield char
