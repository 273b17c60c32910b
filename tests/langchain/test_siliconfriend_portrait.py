"""The portrait as the apps show it: it says "you" to the user."""

from datetime import datetime, timezone

import pytest

from memorybank_core import MemoryBank, Summary, Turn
from memorybank_langchain.siliconfriend.digest_text import text_for_user

AT = datetime(2026, 3, 9, 18, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("language", "message", "shown"),
    [
        ("en", "I work as a nurse.", "You work as a nurse."),
        ("zh", "我是一名护士。", "你是一名护士。"),
    ],
)
def test_a_portrait_without_a_model_says_you(tmp_path, language, message, shown):
    with MemoryBank.open(tmp_path / "b.db", embedder="hashing", language=language) as bank:
        bank.add([Turn(message, "", AT)], user_id="ada")
        bank.summarize(user_id="ada")
        assert shown in text_for_user(bank.portrait(user_id="ada"))


def test_a_summary_without_a_model_says_you_outside_of_quotes():
    text = "Day by day:\n- 2026-03-09: The user's cat is ill. The user said: “The user is here.”"
    summary = Summary("ada", text, None, "extractive", AT)
    assert text_for_user(summary) == (
        "Day by day:\n- 2026-03-09: Your cat is ill. You said: “The user is here.”"
    )
    summary = Summary("ada", "用户说：“用户表坏了。”用户的猫病了。", None, "extractive", AT)
    assert text_for_user(summary) == "你说：“用户表坏了。”你的猫病了。"


def test_digests_of_a_model_are_shown_as_they_are():
    summary = Summary("ada", "The user moved.", None, "mine", AT)
    assert text_for_user(summary) == "The user moved."
