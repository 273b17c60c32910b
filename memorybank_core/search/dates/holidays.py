"""Holidays, western and Chinese: their names and the day on which each falls in a year."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from .lunar import DOUBLE_NINTH, DRAGON_BOAT, MID_AUTUMN, NEW_YEAR, QIXI, lunar_day, qingming

_Rule = Callable[[int], date | None]
_MONDAY, _TUESDAY, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = range(7)


class Holiday(NamedTuple):
    """A holiday: regular expressions of its names, "" if the language has none, and its rule."""

    english: str
    chinese: str
    day: _Rule


def easter_sunday(year: int) -> date:
    """Return Easter Sunday of the Gregorian calendar (Anonymous algorithm, Nature, 1876)."""
    century, _of_century = divmod(year, 100)
    golden = year % 19
    shift = century - century // 4 - (8 * century + 13) // 25
    epact = (19 * golden + shift + 15) % 30
    epact -= epact // 28 * (1 - 29 // (epact + 1) * ((21 - golden) // 11))
    weekday = (year + year // 4 + epact + 2 - century + century // 4) % 7
    offset = epact - weekday
    month = 3 + (offset + 40) // 44
    return date(year, month, offset + 28 - 31 * (month // 4))


def _fixed(month: int, day: int) -> _Rule:
    return lambda year: date(year, month, day)


def _weekday_after(month: int, day: int, weekday: int, shift: int = 0) -> _Rule:
    """Return the rule of the first `weekday` on or after a day, moved by `shift` days."""

    def find(year: int) -> date:
        start = date(year, month, day)
        return start + timedelta((weekday - start.weekday()) % 7 + shift)

    return find


def _easter(offset: int = 0) -> _Rule:
    return lambda year: easter_sunday(year) + timedelta(offset)


def _lunar(column: int, offset: int = 0) -> _Rule:
    def find(year: int) -> date | None:
        day = lunar_day(year, column)
        return day and day + timedelta(offset)

    return find


_NOT_LUNAR = "(?<!chinese )(?<!lunar )"
_S = r"(?:['’]?s|s['’])?"  # "Mother's", "Mothers'", "Mothers"

HOLIDAYS = (
    Holiday(
        rf"{_NOT_LUNAR}new year{_S} eve|hogmanay",
        "跨年夜?|元旦前夜|新年前夜",
        _fixed(12, 31),
    ),
    Holiday(
        rf"{_NOT_LUNAR}(?<!in the )new year(?!{_S} resolution){_S}(?: day)?",
        "元旦节?",
        _fixed(1, 1),
    ),
    Holiday(r"epiphany|three kings(?:['’])?(?: day)?|twelfth night", "主显节", _fixed(1, 6)),
    Holiday(rf"valentine{_S} day|valentine{_S}", "情人节", _fixed(2, 14)),
    Holiday(rf"(?:international )?women{_S} day", "(?:三八)?妇女节|女神节", _fixed(3, 8)),
    Holiday(rf"(?:st\.?|saint) patrick{_S}(?: day)?", "圣帕特里克节", _fixed(3, 17)),
    Holiday(rf"april fool{_S}(?: day)?", "愚人节", _fixed(4, 1)),
    Holiday(
        rf"may day|labour day|(?:international )?workers?{_S} day",
        "(?:五一)?(?:国际)?劳动节"
        "|五一(?=$|[?,.!;:、 的我你他她它咱那这去假前后之以]|小?长假|黄金周|期间|放假|当天)",
        _fixed(5, 1),
    ),
    Holiday(
        "",
        "(?:六一)?(?:国际)?儿童节|六一(?=$|[?,.!; 那当]|前|后)",
        _fixed(6, 1),
    ),
    Holiday(r"juneteenth", "", _fixed(6, 19)),
    Holiday(r"canada day", "", _fixed(7, 1)),
    Holiday(r"(?:us |american )?independence day", "", _fixed(7, 4)),
    Holiday(r"bastille day", "", _fixed(7, 14)),
    Holiday(rf"(?:chinese )?teachers?{_S} day", "教师节", _fixed(9, 10)),
    Holiday(
        rf"(?:chinese|china{_S}) national day|golden week",
        "国庆节?|十一(?=假期|小?长假|黄金周|期间|放假)",
        _fixed(10, 1),
    ),
    Holiday(r"(?:day of )?german unity(?: day)?", "", _fixed(10, 3)),
    Holiday(r"reformation day", "", _fixed(10, 31)),
    Holiday(r"halloween|hallowe['’]en", "万圣节前夜|万圣夜|万圣节", _fixed(10, 31)),
    Holiday(rf"all (?:saints|hallows){_S}['’]?(?: day)?", "诸圣节", _fixed(11, 1)),
    Holiday(rf"all souls{_S}['’]?(?: day)?", "", _fixed(11, 2)),
    Holiday(r"guy fawkes(?: night| day)?|bonfire night", "", _fixed(11, 5)),
    Holiday(
        r"armistice day|remembrance day|veterans['’]? day|martinmas"
        r"|(?:st\.?|saint) martin['’]?s day",
        "",
        _fixed(11, 11),
    ),
    Holiday(r"singles['’]? day|double eleven", "双十一|双11|光棍节", _fixed(11, 11)),
    Holiday(r"(?:st\.?|saint) nicholas['’]? (?:day|eve)|nikolaus", "", _fixed(12, 6)),
    Holiday("", "双十二|双12", _fixed(12, 12)),
    Holiday(r"christmas eve|xmas eve", "平安夜|圣诞前夜", _fixed(12, 24)),
    Holiday(
        r"(?:second day of christmas|boxing day|(?:st\.?|saint) stephen['’]?s day)",
        "节礼日",
        _fixed(12, 26),
    ),
    Holiday(
        r"(?:christmas|xmas)(?: day)?"
        r"(?! (?:tree|card|market|present|gift|carol|song|jumper|cookie))",
        "圣诞(?:节|(?=那|前|后|当|期|假|$|[?,.!]))",
        _fixed(12, 25),
    ),
    # The nth weekday of a month.
    Holiday(rf"(?:martin luther king|mlk)(?: jr\.?)?{_S} day", "", _weekday_after(1, 15, _MONDAY)),
    Holiday(rf"presidents?{_S} day", "", _weekday_after(2, 15, _MONDAY)),
    Holiday(rf"mother{_S} day", "母亲节", _weekday_after(5, 8, _SUNDAY)),
    Holiday(r"memorial day", "", _weekday_after(5, 25, _MONDAY)),
    Holiday(rf"father{_S} day", "父亲节", _weekday_after(6, 15, _SUNDAY)),
    Holiday(r"labor day", "", _weekday_after(9, 1, _MONDAY)),
    Holiday(r"(?:columbus|indigenous peoples?['’]?) day", "", _weekday_after(10, 8, _MONDAY)),
    Holiday(
        r"(?:day of )?(?:prayer and )?repentance(?: and prayer)?(?: day)",
        "",
        _weekday_after(11, 16, _WEDNESDAY),
    ),
    Holiday(r"black friday", "黑色星期五|黑五", _weekday_after(11, 22, _THURSDAY, 1)),
    Holiday(r"cyber monday", "", _weekday_after(11, 22, _THURSDAY, 4)),
    Holiday(r"thanksgiving(?: day)?", "感恩节", _weekday_after(11, 22, _THURSDAY)),
    Holiday(r"first (?:sunday of )?advent(?: sunday)?", "", _weekday_after(11, 27, _SUNDAY)),
    Holiday(r"midsummer(?:['’]?s)? eve", "仲夏夜?前夕", _weekday_after(6, 19, _FRIDAY)),
    Holiday(r"midsummer(?:['’]?s)?(?: day)?", "仲夏节", _weekday_after(6, 20, _SATURDAY)),
    # Days that move with Easter.
    Holiday(r"shrove tuesday|pancake day|mardi gras|fat tuesday", "", _easter(-47)),
    Holiday(r"ash wednesday", "圣灰星期三", _easter(-46)),
    Holiday(r"palm sunday", "棕枝主日", _easter(-7)),
    Holiday(r"maundy thursday|holy thursday", "", _easter(-3)),
    Holiday(r"good friday", "耶稣受难日|受难节", _easter(-2)),
    Holiday(r"easter monday", "复活节(?:后的?)?星期一", _easter(1)),
    Holiday(r"ascension(?: day)", "耶稣升天节", _easter(39)),
    Holiday(r"pentecost monday|whit monday", "", _easter(50)),
    Holiday(r"pentecost(?: sunday)?|whitsun|whitsunday|whit sunday", "五旬节", _easter(49)),
    Holiday(r"corpus christi", "", _easter(60)),
    Holiday(r"easter(?: sunday| day)?(?! (?:egg|bunn))", "复活节", _easter()),
    # Days of the Chinese calendar.
    Holiday(
        rf"(?:chinese|lunar) new year{_S} eve",
        "除夕夜?|大年三十|年三十|年夜饭",
        _lunar(NEW_YEAR, -1),
    ),
    Holiday(
        rf"(?:chinese|lunar) new year{_S}(?: day)?|(?:the )?spring festival",
        "春节|大年初一|正月初一|农历新年|(?<![难好超])过年(?!龄|轻)",
        _lunar(NEW_YEAR),
    ),
    *(
        Holiday("", f"(?:大年|正月)初{day}", _lunar(NEW_YEAR, offset))
        for offset, day in enumerate("二三四五六七", 1)
    ),
    Holiday(
        r"lantern festival",
        "元宵佳?节|正月十五|(?<![吃煮包做买])元宵(?=那|当|晚上?我|前|后)",
        _lunar(NEW_YEAR, 14),
    ),
    Holiday(
        r"(?:qingming|qing ming)(?: festival)?|tomb[- ]sweeping day", "清明节?(?!上河)", qingming
    ),
    Holiday(r"dragon boat festival|duanwu", "端午节?|五月初五", _lunar(DRAGON_BOAT)),
    Holiday(r"qixi(?: festival)?", "七夕节?|七月初七", _lunar(QIXI)),
    Holiday(r"(?:hungry )?ghost festival", "中元节", _lunar(QIXI, 8)),
    Holiday(
        r"(?:mid[- ]autumn|moon) festival", "中秋佳?节?|八月十五(?! ?[日号])", _lunar(MID_AUTUMN)
    ),
    Holiday(r"(?:double ninth|chongyang) festival", "重阳节?|九月初九", _lunar(DOUBLE_NINTH)),
)
"""Every holiday, a longer name before a name that is a part of it."""


@lru_cache(maxsize=512)
def holiday_day(number: int, year: int) -> date | None:
    """Return the day of `HOLIDAYS[number]` in a year; None if it is not known for that year."""
    return HOLIDAYS[number].day(year)
