"""Traits of texts in English and Chinese: questions, times, numbers, preferences and scripts."""

import pytest

from memorybank_core.search import traits
from memorybank_core.search.traits import (
    ENDS_ASKING,
    HAN,
    HAS_NUMBER,
    LATIN,
    MAX_ASKS,
    OTHER_SCRIPT,
    PREFERENCE,
    TELLS_TIME,
    find_traits,
)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Where do you live?", 1.0),
        ("你住在哪里？", 1.0),
        ("I live in Oslo.", 0.0),
        ("我住在奥斯陆。", 0.0),
        ("I live here.\nAnd where do you live?", 24 / 37),
        ("我住在这里。\n那你住在哪里呢？", 9 / 16),
        ("", 0.0),
        ("?", 1.0),
    ],
)
def test_asks_is_the_share_of_questions(text, share):
    assert find_traits(text).asks / MAX_ASKS == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("flag", "having", "lacking"),
    [
        (
            ENDS_ASKING,
            ("I see. Why?", "你说“为什么？”", "Why? )"),
            ("Why? I see.", "为什么？好的。"),
        ),
        (
            TELLS_TIME,
            ("We met on Monday.", "At 5 pm", "我们昨天见面了", "5月4日"),
            ("I see", "好的"),
        ),
        (HAS_NUMBER, ("I have two cats", "room 12", "我有三只猫", "房间12"), ("a cat", "有猫")),
        (PREFERENCE, ("I love tea", "I'm allergic", "我喜欢茶", "我对花生过敏"), ("the tea", "茶")),
    ],
)
def test_flags_are_found_in_both_languages(flag, having, lacking):
    for text in having:
        assert find_traits(text).flags & flag, text
    for text in lacking:
        assert not find_traits(text).flags & flag, text


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("My name is Ana.", LATIN),
        ("Zażółć gęślą jaźń", LATIN),
        ("我叫安娜。", HAN),
        ("Меня зовут Анна", OTHER_SCRIPT),
        ("내 이름은 안나", OTHER_SCRIPT),
        ("我的 laptop 坏了，要 update 一下系统", LATIN | HAN),
        ("I told him 你好 and then we talked for the whole evening", LATIN),
        ("12:30 !?", 0),
    ],
)
def test_the_scripts_of_a_fifth_of_the_letters_are_flagged(text, scripts):
    assert find_traits(text).flags & sum(traits.SCRIPTS) == scripts
