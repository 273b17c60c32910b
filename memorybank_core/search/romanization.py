"""Readings of Chinese characters, kana and Hangul in Latin letters, and the characters of each.

Readings are those of anyascii: pinyin without tones, Hepburn, and the revised romanization.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache
from itertools import product

from anyascii import anyascii

_MAX_SYLLABLE = 6  # letters of a syllable, as in zhuang
_MAX_PAIRS = 2_000
_GRAMMATICAL = frozenset("的了吗呢么吧啊我你您他她它们是不在有这那哪个就都也和与没很还要会能去来")
"""Frequent characters that names rarely contain."""


_OTHER_READINGS = {
    entry[0]: tuple(entry[1:].split("/"))
    for entry in """
    还huan 行hang 长chang/zhang 重chong/zhong 乐yue/le 都du/dou 着zhao 会kuai 传zhuan 单shan
    曾zeng/ceng 朝zhao/chao 藏zang/cang 弹tan/dan 参shen 差chai 觉jiao 校jiao 角jue 降xiang
    解xie 仇qiu 石dan 谁shui 血xie 薄bao 大dai 地di 和huo 率shuai 没mo 秘bi 便pian 奇ji
    色shai 什shen 似shi 宿xiu 提di 省xing 系ji 吓he 给ji 落la 露lou 模mu 粘nian 屏bing
    圈juan 塞se 厦xia 识zhi 熟shou 拓ta 尾yi 咽ye 叶xie 择zhai 仔zai 调tiao/diao 得dei
    了liao 的di
    """.split()
}
"""Further readings of frequent characters, of which anyascii has one."""
_SYLLABLE = re.compile("[A-Z][a-z]*")


def reading(text: str) -> str:
    """Return the syllables of Chinese characters, kana or Hangul in Latin letters."""
    return str(anyascii(text)).lower()


def pairs_read_as(word: str, syllables: int = 2) -> list[str]:
    """Return the pairs of characters that may be written for a stemmed Latin word.

    Of a word of three syllables, such as a Chinese full name, the pairs of the last two.
    """
    pairs: list[str] = []
    for full in _unstemmed(word):
        for split in _splits(full, syllables):
            if len(split) == syllables:
                for table in _tables():
                    first, second = (table.get(syllable, "") for syllable in split[-2:])
                    pairs += map("".join, product(first, second))
    return pairs[:_MAX_PAIRS]


def homophones(char: str) -> str:
    """Return the other Chinese characters with a reading of this one, frequent ones first."""
    return "".join(_tables()[0].get(sound, "") for sound in _readings(char)).replace(char, "")


def near_homophones(char: str) -> str:
    """Return Chinese characters whose reading is often confused with one of this one.

    zh, ch and sh with z, c and s, and a final ng with n.
    """
    return "".join(
        _tables()[0].get(near, "") for sound in _readings(char) for near in _near_readings(sound)
    )


def _readings(char: str) -> list[str]:
    return [reading(char), *_OTHER_READINGS.get(char, ())]


def _near_readings(sound: str) -> Iterator[str]:
    if sound[:1] in ("z", "c", "s"):
        yield sound[0] + sound[2:] if sound[1:2] == "h" else sound[0] + "h" + sound[1:]
    if sound.endswith("ng"):
        yield sound[:-1]
    elif sound.endswith("n"):
        yield sound + "g"


def _unstemmed(word: str) -> Iterator[str]:
    """Yield a stem and the words that it may be the stem of, such as xiaoming of xiaom."""
    yield from (word, word + "ing", word + "e")
    if word.endswith("i"):
        yield word[:-1] + "y"


def _splits(word: str, most: int) -> Iterator[tuple[str, ...]]:
    """Yield the ways to read a word as at most `most` syllables."""
    if any(word in table for table in _tables()):
        yield (word,)
    if most > 1:
        for end in range(1, min(len(word), _MAX_SYLLABLE + 1)):
            if any(word[:end] in table for table in _tables()):
                for rest in _splits(word[end:], most - 1):
                    yield word[:end], *rest


@cache
def _tables() -> tuple[dict[str, str], ...]:
    """Return the characters of each syllable: Chinese ones, hiragana and Hangul."""
    chinese = _by_syllable(_decode("gb2312", 0xF8), _GRAMMATICAL)
    hiragana: dict[str, str] = {}
    for char in map(chr, range(0x3041, 0x3095)):
        hiragana.setdefault(reading(char), char)
    hangul = _by_syllable(_decode("euc_kr", 0xC9))
    for syllable, chars in list(hangul.items()):
        if syllable[0] == "l":
            hangul["r" + syllable[1:]] = chars
    return chinese, hiragana, hangul


def _by_syllable(chars: str, excluded: Collection[str] = ()) -> dict[str, str]:
    """Return the characters of each syllable; anyascii begins each syllable with a capital."""
    table: dict[str, str] = {}
    for char, syllable in zip(chars, _SYLLABLE.findall(anyascii(chars)), strict=True):
        if char not in excluded:
            table[syllable.lower()] = table.get(syllable.lower(), "") + char
    return table


def _decode(encoding: str, end: int) -> str:
    """Return the characters of a national standard: the frequent ones first.

    GB 2312 has 3,755 frequent characters and 3,008 of names and places, KS X 1001 2,350 syllables.
    """
    codes = product(range(0xB0, end), range(0xA1, 0xFF))
    return b"".join(map(bytes, codes)).decode(encoding, "ignore")
