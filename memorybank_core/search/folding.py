"""Fold text so that spellings of one word become equal.

Letters become lower case without accents, and those of other alphabets become Latin letters
(Екатерина and Ekaterina are equal). Traditional characters become simplified ones, and Thai
and similar scripts keep all their marks. Other characters that are not ASCII become a
space.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

SYLLABIC = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
"""Thai, Lao, Burmese and Khmer, which are written without spaces, with marks that belong to the
preceding letter."""
IDEOGRAPHIC = (
    "\u3005\u3007\u3041-\u3096\u309d-\u30ff\u3105-\u312f\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Chinese characters, kana, bopomofo and Hangul: each is a syllable or a word."""

SYLLABIC_MARKS = (
    "\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1059"
    "\u105e-\u1060\u1062-\u1064\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d"
    "\u17b4-\u17d3\u17dd"
)
"""The marks of these scripts."""
KATAKANA = "\u30a1-\u30f6"

_KEPT = re.compile(f"[{SYLLABIC}{IDEOGRAPHIC}\u3099\u309a]")
_CYRILLIC = re.compile("[\u0400-\u052f]")
_LONG_VOWEL = "ー"
_REPLACED = dict.fromkeys("’‘ʼʻʹ′´‛＇ʾʿ՚׳", "'") | {
    "，": ", ",
    "⁄": "/",
    "ё": "e",
    "Ё": "e",
    "ا": "a",
    "א": "a",
}
"""Characters with a form of their own: apostrophes, the Chinese comma, which never belongs to a
number, Russian yo, which is often written as e, and alif."""


def fold(text: str) -> str:
    """Return `text` with one spelling for equal words; ASCII punctuation is kept."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFC", text).translate(_FOLDED)
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


class _Folded(dict[int, str]):
    """The folded form of each character, computed when it first occurs."""

    def __missing__(self, code: int) -> str:
        form = self[code] = _fold_character(chr(code))
        return form


_FOLDED = _Folded()


def _fold_character(char: str) -> str:
    if char in _REPLACED:
        return _REPLACED[char]
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    decomposed = unicodedata.normalize("NFKD", char).replace("⁄", "/")
    if decomposed.isascii():
        return f" {decomposed} " if "/" in decomposed else decomposed.lower()
    if category[0] not in "LMN":
        return "" if category == "Cf" else " "
    composed = unicodedata.normalize("NFC", decomposed)
    if _KEPT.match(composed):
        return "".join(map(_fold_kept, composed))
    return _to_latin(char, decomposed)


def _fold_kept(char: str) -> str:
    """Fold a character of a script that is not written in Latin letters."""
    if char == _LONG_VOWEL:  # often omitted
        return ""
    return simplify(char) if char >= "\u3400" else char


def _to_latin(char: str, decomposed: str) -> str:
    """Return a letter or mark in Latin letters; unchanged if it has none, "" for an accent."""
    base = "".join(c for c in decomposed.casefold() if not unicodedata.combining(c))
    if not base or base.isascii():
        return base
    from anyascii import anyascii  # loads the table of a script when it first occurs

    letter = char.casefold() if _CYRILLIC.match(char) else base
    latin = _REPLACED.get(letter) or anyascii(letter).lower() or letter
    return "".join(c for c in latin if c.isalnum())


def simplify(text: str) -> str:
    """Return `text` with simplified characters in place of traditional ones, one for one."""
    return text.translate(_simplified())


@cache
def _simplified() -> dict[int, int]:
    """Return the simplified form of each traditional character, as code points."""
    file = resources.files(__package__).joinpath("opencc").joinpath("traditional.txt")
    _, traditional, simplified = file.read_text("utf-8").splitlines()
    return str.maketrans(traditional, simplified)
