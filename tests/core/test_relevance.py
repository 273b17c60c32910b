"""Relevance: small talk recalls and strengthens nothing."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_core.embedders import embedder_named
from memorybank_core.search.answer_types import expect_answer, find_names
from memorybank_core.search.query_profile import analyze_query
from memorybank_core.search.relevance import (
    MAX_REINFORCED,
    MIN_REINFORCED_RELEVANCE,
    MIN_RELEVANCE,
    select_reinforced,
)
from memorybank_core.search.small_talk import is_small_talk
from memorybank_core.search.traits import find_traits

USER = "alice@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)

SMALL_TALK = """
Hello! | hi | Hey there :) | Good morning! | How are you today? | What's up? | I'm fine, and you?
Thanks a lot! | Thank you so much, good night! | ok | Ok, got it. Thanks! | Don't worry | 👍 | ...
?
Merry Christmas! | Who are you? | What are you up to? | Let's chat | Could you help me?
That's great! | Haha, very funny | lol | Bye! See you tomorrow. | Sure, sounds good. | Yes please
你好 | 您好！ | 早上好 | 晚安 | 谢谢你 | 好的，谢谢！ | 哈哈哈 | 嗯嗯 | 在吗？ | 你好吗？
最近怎么样 | 太好了！ | 真的吗？ | 没关系 | 再见 | 明天见 | 知道了 | 我很好，你呢？
你是谁？ | 你在干嘛呢 | 陪我聊聊天吧 | 新年快乐！
Hi! 你好! | ＨＥＬＬＯ
"""
QUESTIONS = """
Hello Nora | Thanks, and what is my sister's name? | Where did I park? | no milk | Yesterday? | 42
good coffee | So what did I say? | Is it true that I moved? | tea | What is up with Nora?
Who are you talking about? | Can you help me find my keys? | When is my happy day?
你会什么乐器 | 聊天记录 | 生日快乐是谁写的
早饭吃什么 | 你好像说过 | 好吃吗 | 我的生日 | 再见过她吗 | 红茶
下次见面是什么时候 | 可以吃花生吗
"""


def lines(text):
    return [part.strip() for part in text.replace("\n", "|").split("|") if part.strip()]


@pytest.fixture
def bank(folder):
    with MemoryBank.open(folder / "a.db", embedder="hashing") as bank:
        texts = [
            "Hello! How are you?",
            "My sister Nora plays the cello.",
            "你好！",
            "我妹妹会拉大提琴。",
        ]
        times = [MONDAY + timedelta(hours=i) for i in range(len(texts))]
        bank.add(
            [Turn(text, "Hello!", at) for text, at in zip(texts, times, strict=True)], user_id=USER
        )
        yield bank


@pytest.mark.parametrize("text", lines(SMALL_TALK))
def test_small_talk_is_recognized(text):
    assert is_small_talk(text)


@pytest.mark.parametrize("text", [*lines(QUESTIONS), "ok " * 100])
def test_a_question_is_not_small_talk(text):
    assert not is_small_talk(text)


@pytest.mark.parametrize("text", ["Hello!", "Good night, thank you", "你好！", "好的，谢谢", "🙂"])
def test_small_talk_recalls_nothing(bank, text):
    context = bank.context(text, user_id=USER)
    assert (context.text, context.results, context.left_out) == ("", (), ())
    assert bank.search(text, user_id=USER, min_relevance=MIN_RELEVANCE) == []


@pytest.mark.parametrize("text", ["Which instrument does Nora play?", "妹妹会什么乐器？"])
def test_a_question_recalls_its_answer(bank, text):
    context = bank.context(text, user_id=USER)
    assert context.results[0].relevance >= MIN_RELEVANCE
    assert "cello" in context.text or "大提琴" in context.text


def test_relevance_is_a_chance_and_falls_with_the_score(bank):
    results = bank.search("Which instrument does Nora play?", user_id=USER)
    chances = [result.relevance for result in results]
    assert all(0.0 < chance < 1.0 for chance in chances)
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 2 * chances[1]


def test_results_below_the_minimum_are_left_out(bank):
    question = "Which instrument does Nora play?"
    results = bank.search(question, user_id=USER, now=MONDAY)
    middle = results[1].relevance
    found = bank.search(question, user_id=USER, now=MONDAY, min_relevance=middle)
    assert found == [result for result in results if result.relevance >= middle]


def test_a_minimum_of_0_leaves_nothing_out(bank):
    results = bank.search("Hello!", user_id=USER, min_relevance=0)
    assert len(results) == 4
    assert {result.relevance for result in results} == {0.0}
    assert "Hello! How are you?" in bank.context("Hello!", user_id=USER, min_relevance=0).text


@pytest.mark.parametrize("value", [-0.1, 1.5, "high", None])
def test_a_minimum_outside_0_and_1_is_refused(bank, value):
    for method in (bank.search, bank.context):
        with pytest.raises(InvalidInputError, match="min_relevance must be in"):
            method("Hello!", user_id=USER, min_relevance=value)


def test_a_turn_strengthens_the_relevant_results_at_most_five(bank):
    assert select_reinforced(bank.search("Hello!", user_id=USER)) == []
    results = bank.search("Nora cello", user_id=USER, min_relevance=MIN_REINFORCED_RELEVANCE)
    assert results
    assert select_reinforced(results * 6) == (results * 6)[:MAX_REINFORCED]
    weak = [replace(result, relevance=0.09) for result in results]
    assert select_reinforced([*weak, *results]) == results


ANSWERS = """
When is her birthday? | It is on the 3rd of May. | She loves cake.
生日是什么时候？ | 五月三号。 | 她喜欢蛋糕。
What is the plumber's phone number? | Call him: 0151 234 567. | I rang him 12 times.
水管工的电话是多少？ | 他的电话是 138 0013 8000。 | 打了12次才通。
How much did the sofa cost? | It was $300. | The sofa is blue.
沙发多少钱？ | 两千块。 | 沙发是蓝色的。
How many plants are there? | I counted twelve. | The plants look well.
Which bank does Nora work for? | She works for Hartmann and Sons. | Nora works at the bank.
她丈夫叫什么？ | 她嫁给了李明。 | 她结婚了。
"""


@pytest.mark.parametrize("line", lines(ANSWERS.replace(" | ", " / ")))
def test_an_answer_has_what_the_question_asks_for(line):
    query, answer, other = line.split(" / ")
    expected = expect_answer(query, analyze_query(query, MONDAY.date()))
    assert expected(answer, find_traits(answer).flags)
    assert not expected(other, find_traits(other).flags)


@pytest.mark.parametrize("query", ["What does Nora like?", "她喜欢什么？"])
def test_other_questions_expect_nothing_of_the_text(query):
    assert expect_answer(query, analyze_query(query, MONDAY.date())) is None


def test_names_are_found_in_both_languages():
    assert find_names("Which instrument does Nora O'Brien play?") >= {"nora", "brien"}
    assert "李娜" in find_names("李娜住在哪里？")
    assert not find_names("Which instrument do you play?")


@pytest.mark.parametrize(
    ("answered", "not_said"),
    [
        ("Which instrument does my sister Nora play?", "Which school does my sister Nora attend?"),
        ("妹妹会什么乐器？大提琴吗？", "妹妹的血型是什么？"),
    ],
)
def test_a_question_without_an_answer_is_less_relevant(bank, answered, not_said):
    yes, no = (bank.search(query, user_id=USER)[0].relevance for query in (answered, not_said))
    assert yes > no


@pytest.mark.parametrize(
    ("texts", "said", "not_said"),
    [
        (
            "Nora paints ships. | Nora lives near the harbour. | Emil is allergic to peanuts."
            " | Emil came late. | The roof leaks. | Soup tonight.",
            "Which thing is Emil allergic to?",
            "Which thing is Nora allergic to?",
        ),
        (
            "李娜会画船。 | 李娜住在海港旁边。 | 王强对花生过敏。 | 王强来晚了。"
            " | 屋顶漏水。 | 今晚喝汤。",
            "请问王强对什么过敏？",
            "请问李娜对什么过敏？",
        ),
    ],
)
def test_what_is_known_of_somebody_else_only_is_less_relevant(folder, texts, said, not_said):
    with MemoryBank.open(folder / "b.db", embedder="hashing") as bank:
        turns = [
            Turn(text, "", MONDAY + timedelta(days=day)) for day, text in enumerate(lines(texts))
        ]
        bank.add(turns, user_id=USER)
        yes, no = (bank.search(query, user_id=USER)[0].relevance for query in (said, not_said))
        assert yes > 1.8 * no


def test_what_another_speaker_said_is_less_relevant(folder):
    with MemoryBank.open(folder / "b.db", embedder="hashing") as bank:
        turns = [
            Turn("I play the cello.", at=MONDAY, user_name="Bo"),
            Turn("It rains.", at=MONDAY + timedelta(days=2), user_name="Ann"),
        ]
        bank.add(turns, user_id=USER)
        yes, no = (
            bank.search(f"Does {name} play the cello?", user_id=USER)[0] for name in ("Bo", "Ann")
        )
        assert yes.memory.turn.query == no.memory.turn.query == "I play the cello."
        assert yes.relevance > 2 * no.relevance


def test_relevance_does_not_hang_on_the_usual_cosine_of_an_embedder(folder):
    class Shifted:
        """Adds a component to all vectors, so that unrelated texts have a cosine of 0.8."""

        def __init__(self):
            self._embedder = embedder_named("hashing")
            self.name, self.dimension = "shifted", self._embedder.dimension + 1

        def embed_documents(self, texts):
            vectors = self._embedder.embed_documents(texts)
            constant = np.full((len(vectors), 1), 2.0, np.float32)
            return np.hstack([constant, vectors]) / np.float32(5**0.5)

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    chances = []
    for name, embedder in (("plain", "hashing"), ("shifted", Shifted())):
        with MemoryBank.open(folder / f"{name}.db", embedder=embedder) as bank:
            turns = [
                Turn(text, "", MONDAY + timedelta(days=day))
                for day, text in enumerate(
                    ("Nora plays the cello.", "The roof leaks.", "Soup tonight.", "Emil came late.")
                )
            ]
            bank.add(turns, user_id=USER)
            chances.append(bank.search("Nora and the cello?", user_id=USER)[0].relevance)
    assert chances[0] == pytest.approx(chances[1], rel=0.2)
