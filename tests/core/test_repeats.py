"""Repeated statements are one result, and a question that was not answered before gives way."""

from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import MemoryBank, Turn
from memorybank_core.search.answers import asks, hedges, is_answer

USER = "ada"
FIRST = datetime(2025, 3, 3, 9, tzinfo=timezone.utc)
DAY = timedelta(days=1)
FACTS = {
    "en": ("My bank card is in the green tin.", "Noted.", "Where is my bank card?"),
    "zh": ("我的银行卡在绿色的铁盒里。", "记住了。", "我的银行卡在哪里?"),
}
UNSURE = {"en": "I am not sure.", "zh": "我不确定。"}

EMPTY = {
    "en": """Yes. | Sure. | Of course! | Let me think. | Good question! | Hmm, one moment please.
        | Your bank card, I see. | Okay, let me look into that for you. | I'd be happy to help!
        | """,
    "zh": """好的。 | 当然。 | 是的！ | 让我想想。 | 好问题！ | 稍等一下。 | 嗯，我帮你看看。
        | 没问题。 | 你的银行卡啊。 | """,
}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def texts(results):
    return [result.memory.turn.query for result in results]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_fact_stays_first_after_eight_askings_without_an_answer(bank, language):
    fact, reply, question = FACTS[language]
    bank.add([Turn(fact, reply, FIRST)], user_id=USER)
    bank.add([Turn("I like the sea. 我喜欢大海。", "", FIRST)], user_id=USER)
    for day in range(1, 9):
        bank.add([Turn(question, UNSURE[language], FIRST + day * DAY)], user_id=USER)
        assert texts(bank.search(question, user_id=USER))[0] == fact
    results = bank.search(question, user_id=USER, now=FIRST + 9 * DAY)
    asked = results[-1]
    assert (asked.memory.turn.query, asked.times, asked.last_said) == (question, 8, FIRST + 8 * DAY)
    assert asked.parts.answer < 0
    assert asked.score == pytest.approx(asked.parts.total)
    assert [result.score for result in results] == sorted((r.score for r in results), reverse=True)
    block = bank.context(question, user_id=USER).text
    assert fact in block
    assert question not in block
    kept = bank.search(question, user_id=USER, history=True, k=20)
    assert len(kept) == 10
    assert texts(kept)[0] == question


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_fact_stays_first_after_forty_askings_without_an_answer(bank, language):
    fact, reply, question = FACTS[language]
    other = [Turn(f"Walk {day} was long. 散步{day}很长。", "", FIRST) for day in range(200)]
    asked = [Turn(question, UNSURE[language], FIRST + day * DAY) for day in range(1, 41)]
    bank.add([Turn(fact, reply, FIRST), *other, *asked], user_id=USER)
    results = bank.search(question, user_id=USER, now=FIRST + 41 * DAY)
    assert texts(results)[0] == fact
    assert len(results) == 5


@pytest.mark.parametrize("mark", ["?", ""])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_fact_stays_first_after_askings_whose_responses_say_nothing(bank, language, mark):
    fact, reply, question = FACTS[language]
    question = question.rstrip("?") + mark
    bank.add([Turn(fact, reply, FIRST)], user_id=USER)
    bank.add([Turn("I like the sea. 我喜欢大海。", "", FIRST)], user_id=USER)
    for day, response in enumerate(EMPTY[language].split("|"), 1):
        bank.add([Turn(question, response.strip(), FIRST + day * DAY)], user_id=USER)
        assert texts(bank.search(question, user_id=USER))[0] == fact, response
    block = bank.context(question, user_id=USER).text
    assert fact in block
    assert question not in block


@pytest.mark.parametrize(
    ("response", "question", "expected"),
    [
        ("Yes.", "Where is my key?", False),
        ("Yes.", "Is my key in the tin?", True),
        ("Let me think.", "Is my key in the tin?", False),
        ("The tin.", "Is my key in the box or in the tin?", True),
        ("The key?", "Where is my key?", False),
        ("In the tin.", "Where is my key?", True),
        ("Sure, it is in the tin.", "Where is my key?", True),
        ("You did.", "Who took my key?", True),
        ("Sure.", "Who took my key?", False),
        ("I'm on it.", "Where is my key?", False),
        ("Great!", "How was my talk?", True),
        ("42", "What is my number?", True),
        ("好的。", "我的钥匙在哪里？", False),
        ("是的。", "我的钥匙在铁盒里吗？", True),
        ("让我想想。", "我的钥匙在铁盒里吗？", False),
        ("铁盒。", "我的钥匙在铁盒还是木盒里？", True),
        ("你的钥匙啊……", "我的钥匙在哪里？", False),
        ("好的，在铁盒里。", "我的钥匙在哪里？", True),
        ("很好！", "我讲得怎么样？", True),
        ("不客气，42号。", "我的号码是多少？", True),
    ],
)
def test_a_response_answers_if_it_adds_something(response, question, expected):
    assert is_answer(response, question) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where is my key", True),
        ("tell me where my key is", True),
        ("which bank card is mine", True),
        ("我的钥匙在哪里", True),
        ("How nice you are", False),
        ("What I want is tea", False),
        ("When we were young, we sang", False),
        ("我不知道钥匙在哪里", False),
        ("我什么都没买", False),
        ("The key is in the tin", False),
    ],
)
def test_a_question_without_its_mark_is_recognized(text, expected):
    assert asks(text) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("I'm not sure, you haven't told me.", True),
        ("I don’t know; it has never come up.", True),
        ("Which one do you mean?", True),
        ("我不太清楚,你还没跟我说过。", True),
        ("抱歉,我想不起来了。", True),
        ("你说的是哪一个?", True),
        ("I'm not sure, but I think it was Tuesday.", False),
        ("It's in the green tin.", False),
        ("Nine, if I remember well. Shall I note it?", False),
        ("我不确定,但应该是星期二。", False),
        ("在绿色的铁盒里。", False),
        ("", False),
    ],
)
def test_a_response_that_does_not_answer_is_recognized(response, expected):
    assert hedges(response) is expected


def test_a_question_that_was_answered_stays_findable(bank):
    turns = [
        Turn("What is a good tea for the evening?", "Rooibos, it has no caffeine.", FIRST),
        Turn("I bought tea.", "Good.", FIRST + DAY),
    ]
    bank.add(turns, user_id=USER)
    found = bank.search("What did you tell me about tea for the evening?", user_id=USER)
    assert found[0].memory.turn == turns[0] or texts(found)[0] == turns[0].query
    assert found[0].parts.answer == 0


def test_a_fact_stated_along_with_another_question_is_not_lowered(bank):
    fact = Turn("My sister Nora moved to Bergen. Do you know a hotel?", "I don't know one.", FIRST)
    bank.add([fact, Turn("My sister Nora sings.", "Nice.", FIRST + DAY)], user_id=USER)
    results = bank.search("Where did my sister Nora move?", user_id=USER)
    assert all(result.parts.answer == 0 for result in results)
    results = bank.search("Which hotel did we say, do you know?", user_id=USER)
    assert texts(results)[-1] == fact.query


def test_a_query_about_earlier_questions_finds_them(bank):
    question = Turn("Where is my bank card?", "I don't know.", FIRST)
    bank.add([question, Turn("My cat sleeps.", "Good.", FIRST)], user_id=USER)
    results = bank.search("Have I asked you where my bank card is?", user_id=USER)
    assert texts(results)[0] == question.query


@pytest.mark.parametrize("said", ["My locker has the number 12.", "我的柜子是12号。"])
def test_statements_that_say_the_same_are_one_result(bank, said):
    for day in range(3):
        bank.add([Turn(said, "Noted." if day else "好的。", FIRST + day * DAY)], user_id=USER)
    bank.add([Turn(said.replace("12", "13"), "", FIRST)], user_id=USER)
    results = bank.search(said, user_id=USER)
    assert [result.times for result in results] == [3, 1]
    assert results[0].last_said == results[0].memory.created_at == FIRST + 2 * DAY
    assert "3" in results[0].why().rpartition(";")[2]
    assert "说过 3 次" in results[0].why("zh")


@pytest.mark.parametrize("said", ["I keep the spare key at Nora's", "我把备用钥匙放在诺拉家"])
def test_a_statement_without_a_full_stop_is_one_result_whatever_acknowledges_it(bank, said):
    for day, response in enumerate(("Noted.", "Good to know!", "记住了。")):
        bank.add([Turn(said, response, FIRST + day * DAY)], user_id=USER)
    assert [result.times for result in bank.search(said, user_id=USER)] == [3]


def test_different_answers_to_the_same_question_stay_apart(bank):
    bank.add([Turn("What shall I cook?", "Lentil soup.", FIRST)], user_id=USER)
    bank.add([Turn("What shall I cook?", "Rice with beans.", FIRST + DAY)], user_id=USER)
    assert len(bank.search("What shall I cook?", user_id=USER)) == 2


def test_what_different_people_said_stays_apart(bank):
    for name in ("Ann", "Bo"):
        bank.add([Turn("I play the cello.", at=FIRST, user_name=name)], user_id=USER)
    assert len(bank.search("Who plays the cello?", user_id=USER)) == 2
