"""Days in general phrasings: windows, parts of months and years, bounds, holidays, numbers."""

import re
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core import ConfigurationError, MemoryBank, Turn
from memorybank_core.search.dates import (
    DayRange,
    choose_date_order,
    find_days,
    find_named_days,
)
from memorybank_core.search.dates.holidays import HOLIDAYS, holiday_day

WEDNESDAY = date(2024, 10, 16)
SPAN = date(2023, 1, 5), date(2024, 10, 15)


def read(text, today=WEDNESDAY, span=SPAN, **options):
    """Return the days of a text in a short form, such as "2024-01-05 2024-02-01..2024-02-29"."""
    ranges = find_days(text, today=today, span=lambda: span, **options)
    return " ".join(
        str(days.first) if days.days == 1 else f"{days.first}..{days.last}" for days in ranges
    )


def widest(text, today=WEDNESDAY, span=SPAN):
    """Return the longest range of a bound."""
    return read(text, today, span).split(" ")[-1]


WINDOWS_AND_RELATIVE_DAYS = [
    ("Which concert did I go to in the last two weeks?", "2024-10-02..2024-10-16"),
    ("the last two days", "2024-10-14..2024-10-16"),
    ("over the last couple of days", "2024-10-14..2024-10-16"),
    ("in the past few days", "2024-10-12..2024-10-16"),
    ("the past week", "2024-10-09..2024-10-16"),
    ("over the past month", "2024-09-16..2024-10-16"),
    ("in the last fortnight", "2024-10-02..2024-10-16"),
    ("in the last month", "2024-09-16..2024-10-16"),
    ("during the last year", "2023-10-16..2024-10-16"),
    ("the last three months", "2024-07-16..2024-10-16"),
    ("the past half year", "2024-04-16..2024-10-16"),
    ("in the next two weeks", "2024-10-16..2024-10-30"),
    ("the last few weeks", "2024-09-18..2024-10-16"),
    ("a fortnight ago", "2024-09-30..2024-10-06"),
    ("two fortnights ago", "2024-09-16..2024-09-22"),
    ("half a year ago", "2024-04-01..2024-04-30"),
    ("a year ago today", "2023-10-16"),
    ("two years ago today", "2022-10-16"),
    ("a week ago today", "2024-10-09"),
    ("a week ago yesterday", "2024-10-08"),
    ("this time last year", "2023-10-13..2023-10-19"),
    ("this day last month", "2024-09-16"),
    ("three weeks ago on Tuesday", "2024-09-24"),
    ("on Tuesday three weeks ago", "2024-09-24"),
    ("the day after tomorrow", "2024-10-18"),
    ("yesterday evening", "2024-10-15"),
    ("what did we talk about this morning", "2024-10-16"),
    ("last weekend", "2024-10-12..2024-10-13"),
    ("What did we do at the weekend?", "2024-10-12..2024-10-13"),
    ("the coming weekend", "2024-10-19..2024-10-20"),
    ("the coming Friday", "2024-10-18"),
    ("two weekends ago", "2024-10-05..2024-10-06"),
    ("on Mon, Tue and Wed", "2024-10-14 2024-10-15 2024-10-09"),
    ("in March and May", "2024-03-01..2024-03-31 2024-05-01..2024-05-31"),
    ("the Saturday before last", "2024-10-05"),
    ("the weekend of March 6", "2024-03-09..2024-03-10 2024-03-06"),
    ("the 12th of this month", "2024-10-12"),
    ("周六和周日", "2024-10-12 2024-10-13"),
    ("3/4那天", "2024-03-04"),
    ("What did I do on Mon?", "2024-10-14"),
    ("last Tue.", "2024-10-15"),
    ("on Thurs we met", "2024-10-10"),
    ("last Sat", "2024-10-12"),
    ("What did I eat Fri?", "2024-10-11"),
    ("What am I doing next Friday?", "2024-10-25"),
    ("Friday's dinner", "2024-10-11"),
    ("最近三天", "2024-10-13..2024-10-16"),
    ("最近两周我去了哪些地方", "2024-10-02..2024-10-16"),
    ("过去一个月", "2024-09-16..2024-10-16"),
    ("近半年", "2024-04-16..2024-10-16"),
    ("这几天", "2024-10-12..2024-10-16"),
    ("最近几天我吃了什么", "2024-10-12..2024-10-16"),
    ("这两天怎么样", "2024-10-14..2024-10-16"),
    ("前两天我说了什么", "2024-10-13..2024-10-15"),
    ("前三天", "2024-10-12..2024-10-15"),
    ("半个月前", "2024-09-28..2024-10-04"),
    ("半年前", "2024-04-01..2024-04-30"),
    ("最近一年里", "2023-10-16..2024-10-16"),
    ("接下来三天", "2024-10-16..2024-10-19"),
    ("去年的今天", "2023-10-16"),
    ("一年前的今天", "2023-10-16"),
    ("上个月的今天", "2024-09-16"),
    ("去年这个时候", "2023-10-13..2023-10-19"),
    ("上上周", "2024-09-30..2024-10-06"),
    ("前年", "2022-01-01..2022-12-31"),
    ("后天", "2024-10-18"),
    ("大后天", "2024-10-19"),
    ("昨晚我和谁吃饭", "2024-10-15"),
    ("礼拜三", "2024-10-09"),
    ("下周一", "2024-10-21"),
    ("周三", "2024-10-09"),
    ("上礼拜天", "2024-10-13"),
]


@pytest.mark.parametrize(("text", "expected"), WINDOWS_AND_RELATIVE_DAYS)
def test_windows_and_relative_days(text, expected):
    assert read(text) == expected


PARTS = [
    ("early July", "2024-07-01..2024-07-10"),
    ("in early July 2023", "2023-07-01..2023-07-10"),
    ("mid-March", "2024-03-11..2024-03-20"),
    ("in mid March", "2024-03-11..2024-03-20"),
    ("late February", "2024-02-21..2024-02-29"),
    ("at the end of May", "2024-05-21..2024-05-31"),
    ("end of May", "2024-05-21..2024-05-31"),
    ("at the beginning of last month", "2024-09-01..2024-09-10"),
    ("the end of last week", "2024-10-11..2024-10-13"),
    ("early last week", "2024-10-07..2024-10-09"),
    ("the first week of May", "2024-05-01..2024-05-07"),
    ("the last week of May", "2024-05-25..2024-05-31"),
    ("the last day of May", "2024-05-31"),
    ("on the first day of last month", "2024-09-01"),
    ("the second half of June", "2024-06-16..2024-06-30"),
    ("late 2023", "2023-10-01..2023-12-31"),
    ("early last year", "2023-01-01..2023-03-31"),
    ("at the beginning of the year", "2024-01-01..2024-03-31"),
    ("the first half of 2023", "2023-01-01..2023-06-30"),
    ("the second half of last year", "2023-07-01..2023-12-31"),
    ("in Q2", "2024-04-01..2024-06-30"),
    ("Q4 2023", "2023-10-01..2023-12-31"),
    ("2023 Q3", "2023-07-01..2023-09-30"),
    ("last quarter", "2024-07-01..2024-09-30"),
    ("the second quarter", "2024-04-01..2024-06-30"),
    ("the third quarter of 2023", "2023-07-01..2023-09-30"),
    ("in H1", "2024-01-01..2024-06-30"),
    ("H2 2023", "2023-07-01..2023-12-31"),
    ("last spring", "2024-03-01..2024-05-31"),
    ("this summer", "2024-06-01..2024-08-31"),
    ("last winter", "2023-12-01..2024-02-29"),
    ("last autumn", "2023-09-01..2023-11-30"),
    ("in the summer of 2023", "2023-06-01..2023-08-31"),
    ("over the summer holidays", "2024-06-01..2024-08-31"),
    ("winter 2023", "2023-12-01..2024-02-29"),
    ("上个月初", "2024-09-01..2024-09-10"),
    ("上月底", "2024-09-21..2024-09-30"),
    ("这个月中旬", "2024-10-11..2024-10-20"),
    ("月底", "2024-09-21..2024-09-30"),
    ("月初", "2024-10-01..2024-10-10"),
    ("三月初", "2024-03-01..2024-03-10"),
    ("2023年7月下旬", "2023-07-21..2023-07-31"),
    ("年初", "2024-01-01..2024-03-31"),
    ("去年年底", "2023-10-01..2023-12-31"),
    ("去年底", "2023-10-01..2023-12-31"),
    ("2023年底", "2023-10-01..2023-12-31"),
    ("上半年", "2024-01-01..2024-06-30"),
    ("去年下半年", "2023-07-01..2023-12-31"),
    ("第三季度", "2024-07-01..2024-09-30"),
    ("2023年第二季度", "2023-04-01..2023-06-30"),
    ("上个季度", "2024-07-01..2024-09-30"),
    ("去年夏天", "2023-06-01..2023-08-31"),
    ("今年春天", "2024-03-01..2024-05-31"),
    ("上个冬天", "2023-12-01..2024-02-29"),
    ("暑假去了哪里", "2024-07-01..2024-08-31"),
    ("去年寒假", "2023-01-01..2023-02-28"),
]


@pytest.mark.parametrize(("text", "expected"), PARTS)
def test_parts_of_months_and_years(text, expected):
    assert read(text).split(" ")[0] == expected


def test_the_rest_of_the_month_follows_a_part_of_it():
    assert read("early May") == read("5月初") == "2024-05-01..2024-05-10 2024-05-01..2024-05-31"
    assert read("月底") == "2024-09-21..2024-09-30 2024-09-01..2024-09-30"


NUMBERS = [
    ("the 3rd of March", "2024-03-03"),
    ("on the sixth of November", "2023-11-06"),
    ("the twenty-third of May 2023", "2023-05-23"),
    ("March third", "2024-03-03"),
    ("May the fourth", "2024-05-04"),
    ("3 March", "2024-03-03"),
    ("3-Mar-2024", "2024-03-03"),
    ("03.04.2024", "2024-04-03"),
    ("3. 4. 2024", "2024-04-03"),
    ("2024-03-03", "2024-03-03"),
    ("2024-03-03/2024-03-10", "2024-03-03..2024-03-10"),
    ("2024-W14", "2024-04-01..2024-04-07"),
    ("2024-W14-2", "2024-04-02"),
    ("2024-03", "2024-03-01..2024-03-31"),
    ("2024-03/2024-05", "2024-03-01..2024-05-31"),
    ("on the first of last month", "2024-09-01"),
    ("from the second to the fifth of July", "2024-07-02..2024-07-05"),
    ("2024年3月3日", "2024-03-03"),
    ("三月三号", "2024-03-03"),
    ("3号", "2024-10-03"),
    ("二十三号", "2024-09-23"),
    ("三月三日和五月五日", "2024-03-03 2024-05-05"),
]


@pytest.mark.parametrize(("text", "expected"), NUMBERS)
def test_ordinals_and_numeric_dates(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "month_first", "day_first"),
    [
        ("3/4/2024", "2024-03-04", "2024-04-03"),
        ("03-04-2024", "2024-03-04", "2024-04-03"),
        ("on 3/4", "2024-03-04", "2024-04-03"),
        ("13/4/2024", "2024-04-13", "2024-04-13"),
        ("4/13/2024", "2024-04-13", "2024-04-13"),
        ("03.04.2024", "2024-04-03", "2024-04-03"),
        ("2024/3/4", "2024-03-04", "2024-03-04"),
    ],
)
def test_the_order_of_day_and_month(text, month_first, day_first):
    assert read(text) == read(text, date_order="month-first") == month_first
    assert read(text, date_order="day-first") == day_first


@pytest.mark.parametrize(
    ("language", "timezone", "order"),
    [
        ("en", "UTC", "month-first"),
        ("en", "America/New_York", "month-first"),
        ("en", "America/Indiana/Knox", "month-first"),
        ("en", "Europe/London", "day-first"),
        ("en", "Australia/Sydney", "day-first"),
        ("en", "America/Sao_Paulo", "day-first"),
        ("en", "Asia/Shanghai", "month-first"),
        ("zh", "Europe/Berlin", "month-first"),
    ],
)
def test_the_default_order(language, timezone, order):
    assert choose_date_order(language, timezone) == order


BOUNDS = [
    ("before March 3", "2023-01-05..2024-03-02"),
    ("prior to 3 March 2024", "2023-01-05..2024-03-02"),
    ("until March 3", "2023-01-05..2024-03-03"),
    ("up to May", "2023-01-05..2024-05-31"),
    ("no later than March 3", "2023-01-05..2024-03-03"),
    ("by March 3", "2023-01-05..2024-03-03"),
    ("March 3 or earlier", "2023-01-05..2024-03-03"),
    ("after September 15th", "2024-09-16..2024-10-16"),
    ("after the summer holidays", "2024-09-01..2024-10-16"),
    ("since March", "2024-03-01..2024-10-16"),
    ("since Monday", "2024-10-14..2024-10-16"),
    ("since last May", "2024-05-01..2024-10-16"),
    ("from March 3 on", "2024-03-03..2024-10-16"),
    ("from March 3 onwards", "2024-03-03..2024-10-16"),
    ("before 2024", "2023-01-05..2023-12-31"),
    ("before Christmas", "2023-01-05..2023-12-24"),
    ("before last summer", "2023-01-05..2024-05-31"),
    ("before yesterday", "2023-01-05..2024-10-14"),
    ("between Easter and the end of April", "2024-03-31..2024-04-30"),
    ("between Easter and the first of May", "2024-03-31..2024-05-01"),
    ("between March 3 and March 9", "2024-03-03..2024-03-09"),
    ("from March to May", "2024-03-01..2024-05-31"),
    ("after March 3 and before March 10", "2024-03-04..2024-03-09"),
    ("3月3日以前", "2023-01-05..2024-03-02"),
    ("3月3日之前我在哪", "2023-01-05..2024-03-02"),
    ("3月3日前", "2023-01-05..2024-03-02"),
    ("9月15日以后", "2024-09-16..2024-10-16"),
    ("9月15号之后", "2024-09-16..2024-10-16"),
    ("自从三月以来", "2024-03-01..2024-10-16"),
    ("从3月3日起", "2024-03-03..2024-10-16"),
    ("从三月开始", "2024-03-01..2024-10-16"),
    ("到3月3日为止", "2023-01-05..2024-03-03"),
    ("截至3月3日", "2023-01-05..2024-03-03"),
    ("去年以前", "2022-12-31"),
    ("春节之后", "2024-02-11..2024-10-16"),
    ("国庆前", "2023-01-05..2024-09-30"),
    ("上周三之前", "2023-01-05..2024-10-08"),
    ("从3月3日到3月9日", "2024-03-03..2024-03-09"),
    ("3月3日之后3月10日之前", "2024-03-04..2024-03-09"),
]


@pytest.mark.parametrize(("text", "expected"), BOUNDS)
def test_bounds(text, expected):
    assert widest(text) == expected


@pytest.mark.parametrize("text", ["before March 3", "since Monday", "3月3日以前", "到3月3日为止"])
def test_a_bound_does_not_name_its_day(text):
    assert find_named_days(text, today=WEDNESDAY, span=lambda: SPAN) == ()


def test_near_days_of_a_bound_are_in_shorter_ranges():
    assert read("before March 3").split() == [
        "2024-02-25..2024-03-02",
        "2024-02-01..2024-03-02",
        "2023-01-05..2024-03-02",
    ]
    assert read("after March 3").split()[:2] == ["2024-03-04..2024-03-10", "2024-03-04..2024-04-03"]
    assert read("since March 3") == "2024-03-03..2024-10-16"
    assert widest("before March 3", span=None) == "2023-03-03..2024-03-02"


@pytest.mark.parametrize(
    "text",
    [
        "Did I buy the bike before or after March 3?",
        "是3月3日之前还是之后买的？",
        "What happened on March 3?",
    ],
)
def test_a_question_of_both_sides_names_the_day(text):
    assert read(text) == "2024-03-03"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the day before Christmas Eve", "2023-12-23"),
        ("the day after March 3", "2024-03-04"),
        ("two days before Easter", "2024-03-29"),
        ("the week before Easter", "2024-03-24..2024-03-30 2024-03-31"),
        ("the week of March 6", "2024-03-04..2024-03-10 2024-03-06"),
        ("two weeks after Easter", "2024-04-11..2024-04-17 2024-03-31"),
        ("春节前三天", "2024-02-07..2024-02-09 2024-02-10"),
        ("中秋节前一天", "2024-09-16"),
        ("中秋节的第二天", "2024-09-18"),
        ("国庆后一周", "2024-10-02..2024-10-08 2024-10-01"),
        ("on the Sunday before March 6", "2024-03-03"),
        ("the Sunday after March 3", "2024-03-10"),
        ("last weekend before March 6", "2024-03-02..2024-03-03 2024-03-06"),
        ("a month before March 31", "2024-02-15..2024-03-16 2024-03-31"),
        ("the weekend after March 6", "2024-03-09..2024-03-10 2024-03-06"),
    ],
)
def test_days_next_to_a_date(text, expected):
    assert read(text) == expected


HOLIDAY_TABLE = [
    ("on Christmas Day", "2023-12-25"),
    ("last Christmas", "2023-12-25"),
    ("Christmas 2022", "2022-12-25"),
    ("over Christmas", "2023-12-22..2023-12-28"),
    ("Christmas Eve", "2023-12-24"),
    ("on New Year's Eve", "2023-12-31"),
    ("on New Year's Day", "2024-01-01"),
    ("at Easter", "2024-03-31"),
    ("on Good Friday", "2024-03-29"),
    ("Easter Monday", "2024-04-01"),
    ("Easter weekend", "2024-03-29..2024-04-01"),
    ("Thanksgiving", "2023-11-23"),
    ("Black Friday", "2023-11-24"),
    ("Mother's Day", "2024-05-12"),
    ("on Mothers’ Day", "2024-05-12"),
    ("Father's Day", "2024-06-16"),
    ("Halloween", "2023-10-31"),
    ("on Valentine's", "2024-02-14"),
    ("Valentine's Day", "2024-02-14"),
    ("How did I spend Repentance Day?", "2023-11-22"),
    ("on May Day", "2024-05-01"),
    ("the Fourth of July", "2024-07-04"),
    ("Chinese New Year", "2024-02-10"),
    ("Chinese New Year's Eve", "2024-02-09"),
    ("the Mid-Autumn Festival", "2024-09-17"),
    ("the Dragon Boat Festival", "2024-06-10"),
    ("Labor Day", "2024-09-02"),
    ("春节", "2024-02-10"),
    ("除夕", "2024-02-09"),
    ("元宵节", "2024-02-24"),
    ("大年初三", "2024-02-12"),
    ("五月初五", "2024-06-10"),
    ("八月十五", "2024-09-17"),
    ("清明节", "2024-04-04"),
    ("端午", "2024-06-10"),
    ("七夕", "2024-08-10"),
    ("今年中秋我吃了什么", "2024-09-17"),
    ("去年中秋", "2023-09-29"),
    ("重阳节", "2024-10-11"),
    ("国庆节那天", "2024-10-01"),
    ("国庆假期", "2024-10-01..2024-10-07"),
    ("十一长假", "2024-10-01..2024-10-07"),
    ("劳动节", "2024-05-01"),
    ("五一我们去了哪里", "2024-05-01"),
    ("五一假期", "2024-05-01..2024-05-07"),
    ("元旦", "2024-01-01"),
    ("双十一买了什么", "2023-11-11"),
    ("圣诞节", "2023-12-25"),
    ("平安夜", "2023-12-24"),
    ("2023年春节", "2023-01-22"),
    ("國慶節", "2024-10-01"),
]


@pytest.mark.parametrize(("text", "expected"), HOLIDAY_TABLE)
def test_holidays(text, expected):
    assert read(text) == expected


def _documented():
    """Yield the phrases and the days of the table in the documentation."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "time.md"
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and re.match(r"\d{4}-", cells[3]):
            for phrase in cells[1:3]:
                yield phrase, cells[3].replace(" to ", "..")


@pytest.mark.parametrize(("phrase", "days"), list(_documented()))
def test_what_the_documentation_lists(phrase, days):
    span = date(2025, 1, 1), date(2025, 10, 14)
    ranges = read(phrase, date(2025, 10, 15), span).split(" ")
    bound = (
        re.search("before|until|since|after|以前|为止|以来|之后", phrase) and "day" not in phrase
    )
    assert ranges[-1 if bound else 0] == days


def _number(word):
    return next(n for n, item in enumerate(HOLIDAYS) if word in item.english + item.chinese)


def test_movable_holidays_agree_with_a_library():
    holidays = pytest.importorskip("holidays", reason="holidays is not installed")
    years = range(2024, 2035)

    def library(country, name):
        options = {"subdiv": "SN"} if country == "DE" else {}
        table = holidays.country_holidays(
            country, years=years, language="en_US", observed=False, **options
        )
        return {day for day, names in table.items() if name in re.split(" ?; ", names)}

    for country, name, ours in [
        ("TW", "Chinese New Year", "春节"),
        ("TW", "Chinese New Year's Eve", "除夕"),
        ("TW", "Tomb-Sweeping Day", "清明"),
        ("TW", "Dragon Boat Festival", "端午"),
        ("TW", "Mid-Autumn Festival", "中秋"),
        ("HK", "Double Ninth Festival", "重阳"),
        ("US", "Thanksgiving Day", "感恩"),
        ("US", "Labor Day", "labor day"),
        ("US", "Memorial Day", "memorial day"),
        ("DE", "Good Friday", "受难"),
        ("DE", "Easter Monday", "easter monday"),
        ("DE", "Ascension Day", "ascension"),
        ("DE", "Pentecost Monday", "pentecost monday"),
        ("DE", "Repentance and Prayer Day", "repentance"),
    ]:
        theirs = library(country, name)
        assert len({day.year for day in theirs}) == len(years), (country, name)
        assert {holiday_day(_number(ours), year) for year in years} <= theirs, name


def test_every_holiday_has_a_day_in_every_year_of_the_table():
    for number in range(len(HOLIDAYS)):
        for year in range(2024, 2035):
            assert holiday_day(number, year)
    assert holiday_day(_number("春节"), 1999) is None
    assert read("春节", date(1990, 5, 5)) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("may I ask what we did on March 3?", "2024-03-03"),
        ("May I ask what happened last Friday?", "2024-10-11"),
        ("I sat in the sun on Sunday; what did we march for?", "2024-10-13"),
        ("a second time, on the second of May", "2024-05-02"),
        (
            "What did I do on March 3, on May 9th and last Sunday?",
            "2024-03-03 2024-05-09 2024-10-13",
        ),
        ("三月三号坐一号线去哪了", "2024-03-03"),
        ("3月3日和上周五分别吃了什么", "2024-03-03 2024-10-11"),
    ],
)
def test_the_strongest_reading_wins_and_all_dates_count(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "the day before my birthday",
        "may I ask you a second question?",
        "We sat in the sun and wed near the spring water",
        "I march past the second house",
        "after the second beer",
        "since the first time",
        "before the 5th attempt",
        "the first half of the book",
        "the first week of the course",
        "HTML has H1 and H2",
        "every Christmas",
        "the Christmas tree",
        "a new year's resolution",
        "an Easter egg",
        "by the way, until then, after that",
        "坐一号线和十一号线",
        "我的猫叫三月",
        "五一广场和五一路",
        "十一点和十一个人",
        "吃元宵",
        "清明上河图",
        "难过年年有",
        "每年春节",
        "每年年底",
        "之前和以后",
        "三个半年轻人",
        "这一天天的",
        "然后天就黑了",
        "今后天天",
    ],
)
def test_texts_without_a_day(text):
    assert read(text) == ""


def test_leap_days():
    assert read("on 29 February", date(2025, 3, 1)) == "2024-02-29"
    assert read("29 February 2025", date(2025, 3, 1)) == ""
    assert read("2月29日", date(2025, 3, 1)) == "2024-02-29"
    assert read("a year ago today", date(2024, 2, 29)) == "2023-02-28"
    assert read("late February", date(2025, 3, 1)).startswith("2025-02-21..2025-02-28 ")


PIECES = (
    "before after since until by from between and the day week end early mid late of last past two "
    "few Easter Christmas summer Q2 H1 half first third May 3rd 2024 2024-W14 on Mon / ago today"
).split() + list("前后之以自从到为止起春节国庆中秋年初底上下半季度月日号最近几天三十五一的")
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda gap: gap.join(words))
)


def test_a_long_text_reads_the_span_once_and_has_a_limited_number_of_ranges():
    calls = []

    def span():
        calls.append(1)
        return SPAN

    text = " ".join(
        f"before {day}" for day in (date(2022, 1, 1) + timedelta(n) for n in range(900))
    )
    assert len(find_days(text, today=WEDNESDAY, span=span)) == 100
    assert len(calls) == 1


@given(TEXTS, st.dates(), st.dates(), st.dates(), st.sampled_from(["day-first", "month-first"]))
def test_ranges_of_any_phrase_are_ordered_and_within_limits(text, today, first, last, order):
    options = {"today": today, "span": lambda: (min(first, last), max(first, last))}
    ranges = find_days(text, date_order=order, **options)
    assert len(set(ranges)) == len(ranges)
    for days in ranges:
        assert days.first <= days.last
        assert 1900 <= days.first.year <= days.last.year <= 2200
    assert set(find_named_days(text, date_order=order, **options)) <= set(ranges)


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 400))
def test_a_bound_excludes_its_day(day, past):
    today = day + timedelta(past)
    span = day - timedelta(900), today
    for text in (
        f"before {day:%B} {day.day}, {day.year}",
        f"{day.year}年{day.month}月{day.day}日之前",
    ):
        ranges = find_days(text, today=today, span=lambda: span)
        assert all(days.last == day - timedelta(1) for days in ranges)
        assert ranges[-1].first == span[0]
    for text in (f"after {day.isoformat()}", f"{day.isoformat()}之后"):
        ranges = find_days(text, today=today, span=lambda: span)
        assert all(days.first == day + timedelta(1) for days in ranges)
        assert DayRange(day, day) not in ranges


@pytest.mark.parametrize(
    "piece",
    [
        "before ", "before the ", "the day before ", "last few ", "over the last ", "the end of ",
        "Easter ", "over Christmas ", "Q1 ", "2024-W14/", "2024-03/", "twenty-", "after May ",
        "前", "之前", "最近", "半个", "春节前", "自从", "去年", "上个月", "的第二天", "五一",
        "1.", "1/", "a few ", "until March 3 ", "3月初",
    ],
)  # fmt: skip
def test_long_phrases_take_linear_time(piece):
    def cost(times):
        begin = time.process_time()
        find_days(piece * times, today=WEDNESDAY)
        return time.process_time() - begin

    assert cost(4_000) < 3  # seconds; a tenth of one is usual


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({}, "4 March"),
        ({"date_order": "day-first"}, "3 April"),
        ({"timezone": "Europe/Oslo"}, "3 April"),
        ({"timezone": "Europe/Oslo", "date_order": "month-first"}, "4 March"),
    ],
)
def test_a_bank_reads_numeric_dates_by_its_order(tmp_path, options, first):
    def at(month, day):
        return datetime(2024, month, day, 12, tzinfo=timezone.utc)

    with MemoryBank.open(tmp_path / "b.db", embedder="hashing", **options) as bank:
        turns = [Turn("4 March", at=at(3, 4)), Turn("3 April", at=at(4, 3))]
        bank.add(turns, user_id="lin")
        results = bank.search("What was on 3/4/2024?", user_id="lin", k=1, now=at(5, 1))
        assert results[0].memory.turn.query == first


def test_an_unknown_order_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="date_order must be 'day-first' or 'month-first'"):
        MemoryBank.open(tmp_path / "b.db", embedder="hashing", date_order="year-first")


def test_a_day_is_a_day_of_the_bank_across_the_change_of_the_clocks(tmp_path):
    """At 23:30 UTC it is the next day in Berlin, in winter and in summer."""
    with MemoryBank.open(tmp_path / "b.db", embedder="hashing", timezone="Europe/Berlin") as bank:
        turns = [
            Turn("late", at=datetime(2024, 3, 30, 23, 30, tzinfo=timezone.utc)),
            Turn("noon", at=datetime(2024, 3, 30, 12, tzinfo=timezone.utc)),
        ]
        bank.add(turns, user_id="lin")
        now = datetime(2024, 3, 31, 22, 30, tzinfo=timezone.utc)  # April 1 in Berlin
        results = bank.search("yesterday?", user_id="lin", k=1, now=now)
        assert results[0].memory.turn.query == "late"
