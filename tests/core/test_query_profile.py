"""Analysis of a query: its kind, its terms and their forms, in English and Chinese."""

from datetime import date

import pytest

from memorybank_core.search.query_profile import (
    CHARACTER_WEIGHT,
    GENERIC_WEIGHT,
    analyze_query,
    group_forms,
)
from memorybank_core.search.traits import HAN, LATIN

KINDS = ("asks_when", "asks_number", "asks_advice", "asks_current", "is_message")


def read(query):
    return analyze_query(query, today=date(2025, 6, 1))


@pytest.mark.parametrize(
    ("query", "kinds"),
    [
        ("When does the museum open?", {"asks_when"}),
        ("On which day did we meet?", {"asks_when"}),
        ("博物馆什么时候开门？", {"asks_when"}),
        ("Tell me when Vera arrives", {"asks_when"}),
        ("Who fed the parrot when we were away?", set()),
        ("When Vera came, what did she bring?", set()),
        ("How many cousins does Vera have?", {"asks_number"}),
        ("What's the code of the gate?", {"asks_number"}),
        ("薇拉有几个表妹？", {"asks_number"}),
        ("What should I cook for Vera?", {"asks_advice"}),
        ("Can you recommend a restaurant?", {"asks_advice"}),
        ("给薇拉送什么礼物合适？", {"asks_advice"}),
        ("晚饭该做什么？", {"asks_advice"}),
        ("Who is my dentist these days?", {"asks_current"}),
        ("我现在的牙医是谁？", {"asks_current"}),
        ("Which restaurant did you recommend?", set()),
        ("你推荐过哪家餐厅？", set()),
        ("Who is Vera?", set()),
        ("薇拉是谁？", set()),
        ("I read your plan, thank you. " * 6, {"is_message"}),
        ("我看了你的计划，谢谢，写得很清楚，" * 5, {"is_message"}),
    ],
)
def test_the_kinds_of_questions(query, kinds):
    question = read(query)
    assert {kind for kind in KINDS if getattr(question, kind)} == kinds


def test_the_forms_of_an_irregular_word_are_one_term():
    (went,) = [term for term in group_forms("Who went?") if "went" in term.forms]
    assert set(went.forms) >= {"go", "went", "gone"}
    assert group_forms("go went gone") == [went]


def test_words_that_name_no_topic_count_little_and_are_kept():
    weights = {term.forms[0]: term.weight for term in group_forms("Please tell me about opera")}
    assert weights["opera"] == 1.0
    assert weights["pleas"] == GENERIC_WEIGHT


def test_chinese_characters_count_less_than_pairs_and_those_of_grammar_little():
    weights = {term.forms[0]: term.weight for term in group_forms("我的鹦鹉很老")}
    assert weights["鹦鹉"] == 1.0
    assert weights["鹦"] == CHARACTER_WEIGHT
    assert weights["我"] == weights["我的"] == GENERIC_WEIGHT


def test_chinese_phrases_that_name_no_topic_are_left_out_unless_nothing_else_is_there():
    forms = {term.forms[0] for term in group_forms("音乐会什么时候开始？")}
    assert {"音乐", "开始"} <= forms
    assert "什么" not in forms
    assert group_forms("什么时候？")


def test_the_scripts_and_days_of_a_question():
    assert read("Where is Vera?").scripts == LATIN
    assert read("薇拉在哪里？").scripts == HAN
    assert [str(days.first) for days in read("What did we do on May 4th?").days] == ["2025-05-04"]
