"""Spelling variants of words that a bank does not know."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.spelling import joined_syllables, near_forms
from memorybank_core.search.tokenize import stem, tokenize


def all_forms(term):
    return list(chain.from_iterable(near_forms(term)))


@pytest.mark.parametrize(
    ("typo", "word"),
    [
        ("sholder", "shoulder"),
        ("docter", "doctor"),
        ("atttic", "attic"),
        ("plnae", "plane"),
        ("adress", "address"),
        ("recieve", "receive"),
        ("drivng", "driving"),
        ("apartmnet", "apartment"),
        ("acomodation", "accommodation"),
        ("tommorow", "tomorrow"),
        ("Katja", "Katya"),
        ("Catia", "Katya"),
        ("Novak", "Nowak"),
        ("Mueller", "Müller"),
        ("Olexij", "Олексій"),
        ("Хелле", "Helle"),
        ("Sergej", "Сергей"),
        ("Jelena", "Елена"),
        ("David", "דוד"),
        ("Nora", "نورا"),
    ],
)
def test_errors_and_transliterations_are_found(typo, word):
    assert set(tokenize(word)) & set(all_forms(*tokenize(typo)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zhangwei", "张伟"),
        ("Xiaoming", "小明"),
        ("Zhangxiaoming", "张小明"),
        ("Lina", "李娜"),
        ("Tanaka", "たなか"),
        ("Nora", "노라"),
        ("Nora", "ノラ"),
        ("Minsu", "김민수"),
    ],
)
def test_names_are_found_in_the_other_script(one, other):
    assert set(tokenize(other)) & set(all_forms(*tokenize(one)))


@pytest.mark.parametrize(
    ("one", "other"), [("李娜", "lina"), ("李娜", "李纳"), ("노라", "nora"), ("のら", "nora")]
)
def test_pairs_of_characters_are_found_by_their_reading(one, other):
    assert other in all_forms(one)


@pytest.mark.parametrize(
    ("typo", "word"),
    [("外生", "外甥"), ("时侯", "时候"), ("耳还", "耳环"), ("以经", "已经"), ("因该", "应该")],
)
def test_chinese_words_are_found_by_their_sound(typo, word):
    assert word in all_forms(typo)


@pytest.mark.parametrize("word", ["sister", "recipes", "women", "names", "hotel", "favourite"])
def test_words_spelled_correctly_have_no_variants(word):
    assert all_forms(stem(word)) == []


@pytest.mark.parametrize("typo", ["waht", "whcih", "thier", "hvae"])
def test_errors_in_words_without_a_topic_have_no_variants(typo):
    assert all_forms(typo) == []


def test_swapped_letters_come_first():
    assert "ticket" in next(iter(near_forms("tikcet")))


def test_syllables_of_pinyin_are_joined():
    assert joined_syllables(["voic", "li", "nan", "sing"]) == ["linan"]
    assert joined_syllables(["can", "fan", "long"]) == []


@given(st.text(max_size=20) | st.text("abcdehlnorst", max_size=12))
def test_any_string_has_few_distinct_forms(form):
    forms = all_forms(form)
    assert form not in forms
    assert len(set(forms)) == len(forms) <= 8_000
    assert all(forms)
