"""Numbers and names in dates: numerals, ordinals, months and weekdays."""

from typing import Final

MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS: Final = "monday tuesday wednesday thursday friday saturday sunday".split()
SHORT_WEEKDAYS: Final = "mon tue tues wed thu thur thurs fri sat sun".split()
COUNTS: Final = "one two three four five six seven eight nine ten eleven twelve".split()
ORDINALS: Final = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
    "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
_TENS = {"twenty": 20, "thirty": 30}
_NUMBERS = {"a": 1, "an": 1, "couple": 2, "a couple": 2, "few": 4, "a few": 4, "several": 6}
_NUMBERS |= {"两": 2, "零": 0, "〇": 0, "几": 4, "thirtieth": 30}
_NUMBERS |= {
    word: number
    for words in (MONTHS, [day[:3] for day in WEEKDAYS], COUNTS, ORDINALS, "一二三四五六七八九")
    for number, word in enumerate(words, 1)
}


def read_number(text: str) -> int:
    """Return the value of a number as the patterns match it, in lower case."""
    if text.isdigit():
        return int(text)
    if "十" in text:
        tens, ones = text.split("十")
        return 10 * _NUMBERS.get(tens, 1) + _NUMBERS.get(ones, 0)
    if len(text) == 4 and text[0] in "一二":
        return int("".join(str(_NUMBERS[numeral]) for numeral in text))
    tens, _, ones = text.replace("-", " ").partition(" ")
    if tens in _TENS:
        return _TENS[tens] + _NUMBERS[ones]
    return _NUMBERS[text]
