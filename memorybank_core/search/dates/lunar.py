"""Days of the Chinese lunar calendar, 2015 to 2040.

Source: the Gregorian-lunar conversion tables of the Hong Kong Observatory, read through the
packages LunarCalendar 0.0.9 (MIT) and lunardate 0.2.2, which agree on every day of this table.
"""

from datetime import date

NEW_YEAR, DRAGON_BOAT, QIXI, MID_AUTUMN, DOUBLE_NINTH = range(5)
"""The first day of month 1, and days 5/5, 7/7, 8/15 and 9/9: the columns of the table."""

_TABLE = """
2015 0219 0620 0820 0927 1021
2016 0208 0609 0809 0915 1009
2017 0128 0530 0828 1004 1028
2018 0216 0618 0817 0924 1017
2019 0205 0607 0807 0913 1007
2020 0125 0625 0825 1001 1025
2021 0212 0614 0814 0921 1014
2022 0201 0603 0804 0910 1004
2023 0122 0622 0822 0929 1023
2024 0210 0610 0810 0917 1011
2025 0129 0531 0829 1006 1029
2026 0217 0619 0819 0925 1018
2027 0206 0609 0808 0915 1008
2028 0126 0528 0826 1003 1026
2029 0213 0616 0816 0922 1016
2030 0203 0605 0805 0912 1005
2031 0123 0624 0824 1001 1024
2032 0211 0612 0812 0919 1012
2033 0131 0601 0801 0908 1001
2034 0219 0620 0820 0927 1020
2035 0208 0610 0810 0916 1009
2036 0128 0530 0828 1004 1027
2037 0215 0618 0817 0924 1017
2038 0204 0607 0807 0913 1007
2039 0124 0527 0826 1002 1026
2040 0212 0614 0814 0920 1014
"""
_DAYS = {int(row[:4]): row[5:].split() for row in _TABLE.strip().splitlines()}


def lunar_day(year: int, column: int) -> date | None:
    """Return the day of a column of the table; None outside the years of the table."""
    if year not in _DAYS:
        return None
    text = _DAYS[year][column]
    return date(year, int(text[:2]), int(text[2:]))


def qingming(year: int) -> date | None:
    """Return the solar term Qingming by the customary formula for 2000 to 2099; else None."""
    if year // 100 != 20:
        return None
    y = year % 100
    return date(year, 4, int(y * 0.2422 + 4.81) - y // 4)
