"""Days named in a question: tables of wordings and the days that they mean."""

import dataclasses
import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.dates import DayRange, find_days

# A Wednesday in a leap year, late enough for most of the year to be past.
WEDNESDAY = date(2024, 10, 16)


def read(text: str, today: date = WEDNESDAY, span: tuple[date, date] | None = None) -> str:
    """Return the days of a text in a short form, such as "2024-01-05 2024-02-01..2024-02-29"."""
    ranges = find_days(text, today=today, span=lambda: span)
    return " ".join(
        str(days.first) if days.days == 1 else f"{days.first}..{days.last}" for days in ranges
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did I cook on June 7th?", "2024-06-07"),
        ("What did I cook on june 7?", "2024-06-07"),
        ("JUNE 7", "2024-06-07"),
        ("The June 7 concert", "2024-06-07"),
        ("7 June", "2024-06-07"),
        ("the 7th of June", "2024-06-07"),
        ("June the 7th", "2024-06-07"),
        ("June 7, 2021", "2021-06-07"),
        ("June 7th,2021", "2021-06-07"),
        ("June 7 2021", "2021-06-07"),
        ("7 June 2021", "2021-06-07"),
        ("on the 7th of June 2021", "2021-06-07"),
        ("the 7th of June, 2021", "2021-06-07"),
        ("Nov. 21", "2023-11-21"),
        ("Sept 3", "2024-09-03"),
        ("sep 3rd", "2024-09-03"),
        ("Dec 1st's party", "2023-12-01"),
        ("May 4", "2024-05-04"),
        ("on may 4", "2024-05-04"),
        ("may 4th was sunny", "2024-05-04"),
        ("March 8", "2024-03-08"),
        ("on march 8 2022", "2022-03-08"),
        ("Thursday, February 8", "2024-02-08"),
        ("on Thursday, February 8th, 2024", "2024-02-08"),
        ("Thursday the 8th of February", "2024-02-08"),
        ("May 4 of last year", "2023-05-04"),
        ("last year on May 4th", "2023-05-04"),
        ("June 7 of this year", "2024-06-07"),
        ("2021-06-07", "2021-06-07"),
        ("2021-06-07T10:30 in the log", "2021-06-07"),
        ("2021/6/7", "2021-06-07"),
        ("2021.6.7", "2021-06-07"),
        ("6/7/2021", "2021-06-07"),
        ("06-07-2021", "2021-06-07"),
        ("25/6/2021", "2021-06-25"),
        ("6/25/21", "2021-06-25"),
        ("on 6/25", "2024-06-25"),
        ("on the 9th?", "2024-10-09"),
        ("On the 29th we met", "2024-09-29"),
        ("on the 5th of last month", "2024-09-05"),
        ("both on July 1 and on August 2", "2024-07-01 2024-08-02"),
    ],
)
def test_absolute_days_in_english(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6月7日我做了什么", "2024-06-07"),
        ("6月7号", "2024-06-07"),
        ("六月七号", "2024-06-07"),
        ("六 月 七 号", "2024-06-07"),
        ("6 月 7 日", "2024-06-07"),
        ("九月二十一日", "2024-09-21"),
        ("十二月三十一号", "2023-12-31"),
        ("十月十日", "2024-10-10"),
        ("6月21的电影", "2024-06-21"),
        ("2021年6月7日", "2021-06-07"),
        ("二〇二一年六月七日", "2021-06-07"),
        ("二零二一年六月七日", "2021-06-07"),
        ("21年6月7日", "2021-06-07"),
        ("去年6月7日", "2023-06-07"),
        ("去年的6月7号", "2023-06-07"),
        ("前年十月一号", "2022-10-01"),
        ("今年6月7日", "2024-06-07"),
        ("6月7日星期五", "2024-06-07"),
        ("9号说了什么", "2024-10-09"),
        ("29日那天", "2024-09-29"),
        ("二十九号", "2024-09-29"),
        ("上个月5号", "2024-09-05"),
        ("上个月的5号", "2024-09-05"),
        ("这个月3号", "2024-10-03"),
        ("６月７日", "2024-06-07"),
        ("2021/6/7我们去哪儿了", "2021-06-07"),
        ("6月7號", "2024-06-07"),
    ],
)
def test_absolute_days_in_chinese(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我在June 7th做了什么", "2024-06-07"),
        ("What did we discuss on 6月7日, and 上周三?", "2024-06-07 2024-10-09"),
        ("昨天的meeting和last Sunday的picnic", "2024-10-15 2024-10-13"),
    ],
)
def test_both_languages_in_one_sentence(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("between August 11 and August 15 2023", "2023-08-11..2023-08-15"),
        ("between August 11 and 15", "2024-08-11..2024-08-15"),
        ("from July 2 to July 5", "2024-07-02..2024-07-05"),
        ("from July 2nd until August 5th, 2022", "2022-07-02..2022-08-05"),
        ("from July 2 to 5", "2024-07-02..2024-07-05"),
        ("July 2-5", "2024-07-02..2024-07-05"),
        ("July 2 – 5, 2021", "2021-07-02..2021-07-05"),
        ("2-5 July 2021", "2021-07-02..2021-07-05"),
        ("from the 2nd to the 5th of July", "2024-07-02..2024-07-05"),
        ("from the 2nd to the 5th", "2024-10-02..2024-10-05"),
        ("December 28 to January 3", "2023-12-28..2024-01-03"),
        ("2021-06-07 to 2021-06-09", "2021-06-07..2021-06-09"),
        ("between January and March", "2024-01-01..2024-03-31"),
        ("from May to July 2022", "2022-05-01..2022-07-31"),
        ("from 2020 to 2022", "2020-01-01..2022-12-31"),
        ("from Monday to yesterday", "2024-10-14..2024-10-15"),
        ("between Friday and Sunday", "2024-10-11..2024-10-13"),
        ("7月2日到7月5日", "2024-07-02..2024-07-05"),
        ("从7月2号一直到8月5号", "2024-07-02..2024-08-05"),
        ("7月2日至5日", "2024-07-02..2024-07-05"),
        ("7月2-5日", "2024-07-02..2024-07-05"),
        ("2021年7月2日到8月5日", "2021-07-02..2021-08-05"),
        ("12月28日到1月3日", "2023-12-28..2024-01-03"),
        ("在7月2日和7月5日之间", "2024-07-02..2024-07-05"),
        ("上周一到周三", "2024-10-07..2024-10-09"),
        ("去年五月到八月", "2023-05-01..2023-08-31"),
        ("2020年到2022年", "2020-01-01..2022-12-31"),
        ("5号到9号", "2024-10-05..2024-10-09"),
        ("7月2日和7月5日", "2024-07-02 2024-07-05"),
        ("July 2 and July 5", "2024-07-02 2024-07-05"),
    ],
)
def test_ranges(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("in May", "2024-05-01..2024-05-31"),
        ("What did I read in may?", "2024-05-01..2024-05-31"),
        ("back in March we moved", "2024-03-01..2024-03-31"),
        ("last May", "2024-05-01..2024-05-31"),
        ("last October", "2023-10-01..2023-10-31"),
        ("this October", "2024-10-01..2024-10-31"),
        ("in October", "2024-10-01..2024-10-31"),
        ("in November", "2023-11-01..2023-11-30"),
        ("the November trip", "2023-11-01..2023-11-30"),
        ("at the end of April", "2024-04-21..2024-04-30 2024-04-01..2024-04-30"),
        ("the first week of May", "2024-05-01..2024-05-07 2024-05-01..2024-05-31"),
        ("in early May", "2024-05-01..2024-05-10 2024-05-01..2024-05-31"),
        ("May 2023", "2023-05-01..2023-05-31"),
        ("in february 2024", "2024-02-01..2024-02-29"),
        ("May of last year", "2023-05-01..2023-05-31"),
        ("last year in May", "2023-05-01..2023-05-31"),
        ("this month", "2024-10-01..2024-10-31"),
        ("last month", "2024-09-01..2024-09-30"),
        ("the month before last", "2024-08-01..2024-08-31"),
        ("five months ago", "2024-05-01..2024-05-31"),
        ("五月", "2024-05-01..2024-05-31"),
        ("十一月", "2023-11-01..2023-11-30"),
        ("5月份的旅行", "2024-05-01..2024-05-31"),
        ("2023年5月", "2023-05-01..2023-05-31"),
        ("去年五月", "2023-05-01..2023-05-31"),
        ("这个月", "2024-10-01..2024-10-31"),
        ("本月", "2024-10-01..2024-10-31"),
        ("上个月", "2024-09-01..2024-09-30"),
        ("上上个月", "2024-08-01..2024-08-31"),
        ("一个月前", "2024-09-01..2024-09-30"),
        ("十二个月前", "2023-10-01..2023-10-31"),
    ],
)
def test_months(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What did I learn in 2022?", "2022-01-01..2022-12-31"),
        ("the summer of 2022", "2022-06-01..2022-08-31"),
        ("last year", "2023-01-01..2023-12-31"),
        ("this year", "2024-01-01..2024-12-31"),
        ("two years ago", "2022-01-01..2022-12-31"),
        ("2022年", "2022-01-01..2022-12-31"),
        ("去年", "2023-01-01..2023-12-31"),
        ("今年", "2024-01-01..2024-12-31"),
        ("前年", "2022-01-01..2022-12-31"),
        ("大前年", "2021-01-01..2021-12-31"),
        ("三年前", "2021-01-01..2021-12-31"),
    ],
)
def test_years(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2024-10-16"),
        ("earlier tonight", "2024-10-16"),
        ("this morning", "2024-10-16"),
        ("yesterday's dinner", "2024-10-15"),
        ("last night", "2024-10-15"),
        ("the day before yesterday", "2024-10-14"),
        ("the night before last", "2024-10-14"),
        ("3 days ago", "2024-10-13"),
        ("three days ago", "2024-10-13"),
        ("a day ago", "2024-10-15"),
        ("a couple of days ago", "2024-10-14"),
        ("a couple days ago", "2024-10-14"),
        ("sixty days ago", ""),
        ("60 days ago", "2024-08-17"),
        ("last week", "2024-10-07..2024-10-13"),
        ("this week", "2024-10-14..2024-10-20"),
        ("the week before last", "2024-09-30..2024-10-06"),
        ("two weeks ago", "2024-09-30..2024-10-06"),
        ("a week ago", "2024-10-07..2024-10-13"),
        ("last weekend", "2024-10-12..2024-10-13"),
        ("今天", "2024-10-16"),
        ("今早", "2024-10-16"),
        ("昨天晚上", "2024-10-15"),
        ("昨晚", "2024-10-15"),
        ("前天", "2024-10-14"),
        ("大前天", "2024-10-13"),
        ("三天前", "2024-10-13"),
        ("3 天之前", "2024-10-13"),
        ("两天以前", "2024-10-14"),
        ("二十一天前", "2024-09-25"),
        ("两周前", "2024-09-30..2024-10-06"),
        ("两个星期前", "2024-09-30..2024-10-06"),
        ("2个礼拜前", "2024-09-30..2024-10-06"),
        ("上周", "2024-10-07..2024-10-13"),
        ("上一周", "2024-10-07..2024-10-13"),
        ("上星期", "2024-10-07..2024-10-13"),
        ("上个星期", "2024-10-07..2024-10-13"),
        ("上礼拜", "2024-10-07..2024-10-13"),
        ("上週", "2024-10-07..2024-10-13"),
        ("这周", "2024-10-14..2024-10-20"),
        ("本周", "2024-10-14..2024-10-20"),
        ("上上周", "2024-09-30..2024-10-06"),
        ("上周末", "2024-10-12..2024-10-13"),
    ],
)
def test_relative_days(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("last Sunday", "2024-10-13"),
        ("last Friday night", "2024-10-11"),
        ("on Monday", "2024-10-14"),
        ("on Wednesday", "2024-10-09"),
        ("on thursday", "2024-10-10"),
        ("What did I eat Tuesday?", "2024-10-15"),
        ("Monday", "2024-10-14"),
        ("Tuesday evening was nice", "2024-10-15"),
        ("this Monday", "2024-10-14"),
        ("this Friday", "2024-10-18"),
        ("Sunday two weeks ago", "2024-10-06"),
        ("on Monday of last week", "2024-10-07"),
        ("last week on Monday", "2024-10-07"),
        ("周三", "2024-10-09"),
        ("星期二", "2024-10-15"),
        ("礼拜四", "2024-10-10"),
        ("星期天", "2024-10-13"),
        ("周日", "2024-10-13"),
        ("周三天气怎么样", "2024-10-09"),
        ("上周三", "2024-10-09"),
        ("上周二", "2024-10-08"),
        ("上星期三", "2024-10-09"),
        ("上个星期天", "2024-10-13"),
        ("上周日", "2024-10-13"),
        ("上个礼拜日", "2024-10-13"),
        ("上上周三", "2024-10-02"),
        ("这周三", "2024-10-16"),
        ("本周一", "2024-10-14"),
        ("两周前的周五", "2024-10-04"),
        ("上周的周五", "2024-10-11"),
    ],
)
def test_weekdays(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "today", "expected"),
    [
        # The last and the first day of a year.
        ("yesterday", date(2024, 1, 1), "2023-12-31"),
        ("昨晚", date(2023, 1, 1), "2022-12-31"),
        ("last month", date(2023, 1, 31), "2022-12-01..2022-12-31"),
        ("上上个月", date(2023, 1, 31), "2022-11-01..2022-11-30"),
        ("on December 31", date(2023, 12, 31), "2023-12-31"),
        ("on December 31", date(2023, 12, 30), "2022-12-31"),
        ("1月1日", date(2024, 1, 1), "2024-01-01"),
        ("on the 29th", date(2024, 1, 3), "2023-12-29"),
        ("last December", date(2024, 1, 1), "2023-12-01..2023-12-31"),
        ("last week", date(2025, 1, 1), "2024-12-23..2024-12-29"),
        ("from December 28 to January 3", date(2024, 12, 30), "2023-12-28..2024-01-03"),
        # Ends of months, and leap years.
        ("31号", date(2023, 3, 1), "2023-01-31"),
        ("on the 30th", date(2023, 3, 30), "2023-03-30"),
        ("on the 30th", date(2023, 3, 29), "2023-01-30"),
        ("last month", date(2024, 3, 31), "2024-02-01..2024-02-29"),
        ("two months ago", date(2023, 4, 30), "2023-02-01..2023-02-28"),
        ("February 29", date(2024, 2, 29), "2024-02-29"),
        ("February 29", date(2024, 2, 28), "2020-02-29"),
        ("2月29日", date(2023, 6, 1), "2020-02-29"),
        ("Feb 29", date(2103, 6, 1), "2096-02-29"),
        ("yesterday", date(2024, 3, 1), "2024-02-29"),
        ("in February", date(2024, 2, 1), "2024-02-01..2024-02-29"),
        # Mondays and Sundays: a week starts on Monday.
        ("last week", date(2023, 7, 3), "2023-06-26..2023-07-02"),
        ("last week", date(2023, 7, 2), "2023-06-19..2023-06-25"),
        ("this week", date(2023, 7, 2), "2023-06-26..2023-07-02"),
        ("last weekend", date(2023, 7, 2), "2023-06-24..2023-06-25"),
        ("last weekend", date(2023, 7, 3), "2023-07-01..2023-07-02"),
        ("last Sunday", date(2023, 7, 2), "2023-06-25"),
        ("last Sunday", date(2023, 7, 3), "2023-07-02"),
        ("on Monday", date(2023, 7, 3), "2023-06-26"),
        ("this Monday", date(2023, 7, 3), "2023-07-03"),
        ("上周日", date(2023, 7, 2), "2023-06-25"),
        ("上周日", date(2023, 7, 3), "2023-07-02"),
        ("上周一", date(2023, 7, 2), "2023-06-19"),
        ("周日", date(2023, 7, 2), "2023-06-25"),
        ("这周日", date(2023, 6, 26), "2023-07-02"),
        ("上上周三", date(2023, 7, 3), "2023-06-21"),
        ("周一到周三", date(2023, 7, 4), "2023-06-26..2023-06-28"),
        # A range is one whole in the past.
        ("from July 2 to July 5", date(2023, 7, 3), "2022-07-02..2022-07-05"),
        ("July 2-5", date(2023, 7, 3), "2023-07-02..2023-07-05"),
    ],
)
def test_incomplete_dates_mean_the_most_recent_past(text, today, expected):
    assert read(text, today) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("July 2, 2031", "2031-07-02"),
        ("明年七月", "2025-07-01..2025-07-31"),
        ("July next year", "2025-07-01..2025-07-31"),
        ("next December", "2024-12-01..2024-12-31"),
        ("next Monday", "2024-10-21"),
        ("下周三", "2024-10-23"),
    ],
)
def test_an_explicit_future_date_stays_in_the_future(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "our first conversation",
        "What was our very first conversation?",
        "What did I say the first time we talked?",
        "when we first met",
        "第一次聊天说了什么",
        "我们第一次对话",
        "第一次和你聊天",
    ],
)
def test_first_conversation(text):
    first, last = date(2022, 2, 22), date(2024, 9, 9)
    assert read(text, span=(first, last)) == "2022-02-22"
    assert read(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "our last conversation",
        "the last time we talked",
        "What did we last talk about the last time I spoke to you?",
        "上次聊天",
        "上次我们聊了什么",
        "我们上一次对话",
        "最后一次谈话",
    ],
)
def test_last_conversation(text):
    first, last = date(2022, 2, 22), date(2024, 9, 9)
    assert read(text, span=(first, last)) == "2024-09-09"
    assert read(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        # Verbs, names and other words that are spelled like dates.
        "May I ask you something?",
        "I may go, and it may be 4 pm",
        "this may be right",
        "may 4 people come",
        "We march on, march 10 miles, and mar the table",
        "I sat in the sun and was wed",
        "the second time",
        "April and June are my sisters",
        "Sunday roast and Monday blues",
        # Numbers that are not dates.
        "I walked 2022 steps to room 2022",
        "in 2022 steps",
        "3/4 of the cake",
        "version 1.2.3 at 192.168.1.1, call 555-1234-5678",
        "it costs $2020 or 2.5.1",
        "on the 29th floor",
        "on the 3rd of every month",
        "May 4,000",
        "May 4 pm",
        # Vague words.
        "recently",
        "a few days ago",
        "several weeks ago",
        "two or three days ago",
        "2-3 weeks ago",
        "some time ago",
        "the other day",
        "two and a half weeks ago",
        "3 hours ago",
        "最近",
        "前几天",
        "几天前",
        "十几天前",
        "两三天前",
        "二十多年前",
        "二十几号",
        "好久以前",
        "有一天",
        "第三天",
        "以前天天见面",
        "以前年轻的时候",
        "如今年轻人",
        "周末一般做什么",
        # Habits.
        "every Monday",
        "every Monday and Thursday",
        "each Sunday, every other Friday",
        "every May",
        "every year on May 4",
        "on Mondays",
        "on Monday evenings",
        "每周三",
        "每个星期天",
        "每周三次",
        "每月5号",
        "每年5月4日",
        "一周三次",
        "两周一次",
        # Words with the same characters.
        "晚上周杰伦的歌",
        "登上月球",
        "住在29号楼5号线旁",
        "中山路29号",
        "第29号选手",
        "五月天的歌",
        "三日游",
        "三十岁生日",
        # The first or last talk about something is not the first or last talk.
        "the last time we talked about hiking",
        "my last conversation with my boss",
    ],
)
def test_texts_without_a_day(text):
    known = date(2024, 9, 9)
    assert read(text, span=(known, known)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "February 30",
        "Feb 30, 2023",
        "Feb 29, 2023",
        "31 April",
        "May 0",
        "May 45",
        "July 5-2",
        "2023-02-30",
        "2023-13-01",
        "13/13/2023",
        "13月45日",
        "2023年13月45日",
        "2月30日",
        "二月三十日",
        "0月4日",
        "45号",
        "July 2, 1776",
        "in 1492",
        "2201-01-01",
        "3000年",
        "9999 years ago",
        "9999年前",
    ],
)
def test_impossible_and_remote_dates_are_ignored(text):
    assert read(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("May 4, 2023", "2023-05-04"),
        ("2023年5月4日", "2023-05-04"),
        ("上周三", "2024-10-09"),
        ("the day before yesterday", "2024-10-14"),
        ("大前天", "2024-10-13"),
        ("last weekend", "2024-10-12..2024-10-13"),
    ],
)
def test_the_longer_match_wins(text, expected):
    assert read(text) == expected


def test_days_are_in_the_order_of_mention_without_duplicates():
    text = "上周三, July 2, yesterday, 7月2日, and on July 2, 2024"
    assert read(text) == "2024-10-09 2024-07-02 2024-10-15"


def test_day_range():
    days = DayRange(date(2024, 2, 28), date(2024, 3, 1))
    assert days.days == 3
    assert date(2024, 2, 28) in days
    assert date(2024, 3, 1) in days
    assert date(2024, 3, 2) not in days
    assert date(2024, 2, 27) not in days
    assert {days, DayRange(date(2024, 2, 28), date(2024, 3, 1))} == {days}
    with pytest.raises(dataclasses.FrozenInstanceError):
        days.first = date(2024, 2, 29)


WORDS = (
    "May march Feb December Monday last next this in on the of and to from between until ago day "
    "weeks months year years 1 4 29th 31 2023 2200 9999 - / , a couple two every first conversation"
).split() + list("上下个这每周星期礼拜年月日号天前去今昨大末第一次聊十三两二〇的到至和间")
SENTENCES = st.lists(st.sampled_from(WORDS)).flatmap(
    lambda words: st.sampled_from(["", " "]).map(lambda gap: gap.join(words))
)
TEXTS = st.text() | SENTENCES


@given(TEXTS, st.dates(), st.dates(), st.dates())
def test_days_of_any_text_are_within_limits(text, today, first_day, last_day):
    ranges = find_days(text, today=today, span=lambda: (first_day, last_day))
    assert len(set(ranges)) == len(ranges)
    for days in ranges:
        assert 1900 <= days.first.year <= days.last.year <= 2200
        assert days.first <= days.last
        assert days.days >= 1
    assert ranges == find_days(text, today=today, span=lambda: (first_day, last_day))


DAYS = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@given(DAYS, DAYS)
def test_every_complete_date_survives_a_round_trip(day, today):
    chinese = f"{day.year}年{day.month}月{day.day}日"
    for text in (day.isoformat(), f"{day:%B} {day.day}, {day.year}", f"{day:%d %b %Y}", chinese):
        assert find_days(text, today=today) == (DayRange(day, day),)


@given(DAYS, DAYS)
def test_a_date_without_a_year_is_the_last_one_up_to_today(day, today):
    for text in (f"on {day:%B} {day.day}", f"{day.month}月{day.day}号"):
        (range_,) = find_days(text, today=today)
        assert (range_.first.month, range_.first.day) == (day.month, day.day)
        assert range_.first <= today
        assert (today - range_.first).days < (8 * 366 if (day.month, day.day) == (2, 29) else 366)


@given(DAYS, st.integers(0, 9999))
def test_days_ago_are_counted_back(today, count):
    day = today - timedelta(count)
    expected = (DayRange(day, day),) if day.year >= 1900 else ()
    assert find_days(f"{count} days ago", today=today) == expected
    assert find_days(f"{count}天前", today=today) == expected


@given(DAYS, st.integers(0, 6))
def test_weekdays_fall_in_the_week_before_today(today, weekday):
    english = f"on {date(2024, 1, 1 + weekday):%A}"
    for text in (english, f"周{'一二三四五六日'[weekday]}"):
        (range_,) = find_days(text, today=today)
        assert range_.first.weekday() == weekday
        assert 1 <= (today - range_.first).days <= 7


@pytest.mark.parametrize(
    ("piece", "times"),
    [
        ("a", 100_000),
        ("1", 20_000),
        ("1-", 20_000),
        ("上", 50_000),
        ("每", 50_000),
        ("十", 50_000),
        (" ", 100_000),
        ("the ", 20_000),
        ("a couple of ", 10_000),
        ("every Monday, ", 5_000),
        ("Monday to ", 5_000),
        ("May 4 - ", 5_000),
        ("第一次我们", 10_000),
        ("5月4日", 10_000),
        ("周一到", 10_000),
    ],
)
def test_long_texts_take_linear_time(piece, times):
    begin = time.process_time()
    find_days(piece * times, today=WEDNESDAY)
    assert time.process_time() - begin < 3  # seconds; a fraction of one is usual
