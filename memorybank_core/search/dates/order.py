"""Order of day and month in dates such as 3/4/2025, where both are numbers of at most 12."""

DATE_ORDERS = ("day-first", "month-first")
"""The orders in which a numeric date can be written."""

_MONTH_FIRST = frozenset(
    """
    UTC GMT Asia/Chongqing Asia/Harbin Asia/Hong_Kong Asia/Macao Asia/Macau Asia/Manila
    Asia/Pyongyang Asia/Seoul Asia/Shanghai Asia/Taipei Asia/Tokyo Asia/Ulaanbaatar Asia/Urumqi
    Hongkong Japan PRC ROC ROK America/Adak America/Anchorage America/Boise America/Chicago
    America/Denver America/Detroit America/Indianapolis America/Juneau America/Los_Angeles
    America/Louisville America/Menominee America/Metlakatla America/New_York America/Nome
    America/Phoenix America/Puerto_Rico America/Sitka America/Yakutat Navajo Pacific/Guam
    Pacific/Honolulu
    """.split()
)
_MONTH_FIRST_AREAS = (
    "US/",
    "Etc/",
    "America/Indiana/",
    "America/Kentucky/",
    "America/North_Dakota/",
)


def choose_date_order(language: str, timezone: str) -> str:
    """Return the usual order of day and month.

    The month comes first in Chinese, and in the time zones of the United States, the Philippines
    and East Asia. UTC, which says nothing about the place, counts as one of these. The day comes
    first everywhere else.

    Args:
        language: "en" or "zh".
        timezone: IANA name of the time zone.
    """
    in_area = timezone in _MONTH_FIRST or timezone.startswith(_MONTH_FIRST_AREAS)
    return "month-first" if language == "zh" or in_area else "day-first"
