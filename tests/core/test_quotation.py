"""Answers without a language model: quotes with their day, and admissions, in both languages."""

from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import InvalidInputError, MemoryBank, QuotingLLM, Turn
from memorybank_core.quotation.message_kinds import asks_companion, find_language, is_inquiry

NOW = datetime(2025, 3, 20, 12, tzinfo=timezone.utc)
TALK = [
    (9, "My sister Nora plays the cello.", "How lovely!"),
    (10, "Yesterday I cooked a haddock pie for Sunita. She had seconds.", "A medal!"),
    (11, "What should I give Nora for her birthday?", "Give her rosin and a warm scarf."),
    (12, "I went swimming in the lake today.", "Cold?"),
    (14, "I went swimming again, twice around the island.", "Well done."),
    (15, "Our kitchen wall is yellow.", "Bright!"),
    (16, "Our kitchen wall is green now, no longer yellow.", "Better?"),
    (17, "我奶奶住在苏稽，今年八十二岁了。", "身体好吗？"),
    (18, "昨天我给奶奶修好了收音机。", "真厉害。"),
]


@pytest.fixture(scope="module")
def companion(tmp_path_factory):
    place = tmp_path_factory.mktemp("quotation") / "bank.db"
    with MemoryBank.open(place, embedder="hashing") as bank:
        turns = [
            Turn(query, response, at=datetime(2025, 3, day, 12, tzinfo=timezone.utc))
            for day, query, response in TALK
        ]
        bank.add(turns, user_id="Lena")
        yield QuotingLLM(bank, user_id="Lena")


def ask(companion, message):
    return companion.ask(message, now=NOW).text


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (
            "Which instrument does my sister Nora play?",
            "On 9 March 2025 you told me: “My sister Nora plays the cello.”",
        ),
        (
            "When did I cook the haddock pie?",
            "On 10 March 2025 you told me: “Yesterday I cooked a haddock pie for Sunita. She had "
            "seconds.” That was on 9 March 2025.",
        ),
        (
            "What did you suggest for Nora's birthday?",
            "On 11 March 2025 I told you: “Give her rosin and a warm scarf.”",
        ),
        (
            "How many times did I go swimming?",
            "You told me about it 2 times: on 12 March 2025 and 14 March 2025. The last time: “I "
            "went swimming again, twice around the island.”",
        ),
        (
            "When did I last go swimming?",
            "The last time that you told me about it was on 14 March 2025: “I went swimming again, "
            "twice around the island.”",
        ),
        (
            "我奶奶住在哪里？",
            "2025年3月17日你告诉我：“我奶奶住在苏稽，今年八十二岁了。”",
        ),
        (
            "我什么时候给奶奶修好了收音机？",
            "2025年3月18日你告诉我：“昨天我给奶奶修好了收音机。”那是2025年3月17日的事。",
        ),
    ],
)
def test_a_question_is_answered_with_a_quote_and_its_day(companion, message, answer):
    assert ask(companion, message) == answer


def test_of_two_statements_the_newer_is_quoted(companion):
    answer = ask(companion, "What colour is our kitchen wall?")
    assert "On 16 March 2025 you told me: “Our kitchen wall is green now" in answer
    assert "is yellow" not in answer


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("What is my blood group?", "I don't remember anything about that. Tell me."),
        ("我的血型是什么？", "这件事我没有印象。跟我说说吧。"),
    ],
)
def test_what_was_never_said_is_admitted(companion, message, answer):
    result = companion.ask(message, now=NOW)
    assert (result.text, result.results, result.is_certain) == (answer, (), False)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("Hello!", "Hello."),
        ("Thank you so much!", "You are welcome."),
        ("Goodbye!", "Goodbye."),
        ("How are you?", "I am well"),
        ("你好！", "你好。"),
        ("谢谢你", "不客气。"),
        ("晚安", "再见。"),
        ("I am so tired today.", "Noted."),
        ("我今天好累。", "好，我记住了。"),
    ],
)
def test_small_talk_and_statements_get_a_short_reply(companion, message, answer):
    assert ask(companion, message).startswith(answer)
    assert "“" not in ask(companion, message)


@pytest.mark.parametrize(
    ("message", "language"),
    [("我的 passport 在哪里？", "zh"), ("Where is 花椒 my bird?", "en"), ("…", "zh")],
)
def test_the_answer_is_in_the_language_of_the_message(message, language):
    assert find_language(message, "zh") == language


def test_questions_are_recognized():
    assert all(map(is_inquiry, ["Tell me about my sister", "你还记得我姐姐吗", "where is my key"]))
    assert not any(map(is_inquiry, ["I like tea.", "我喜欢喝茶。"]))
    asked = ["What did you suggest?", "你给我出了哪几条主意？", "What was your advice?"]
    assert all(map(asks_companion, asked))
    assert not any(map(asks_companion, ["我跟你说过我的生日吗？", "你记得我说的吗？"]))


def test_a_quote_is_verbatim(tmp_path):
    text = "Lorna texted at lunch. She says she is sorry. Coffee? Wednesday at the canal."
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        bank.add([Turn(text, "Oh!", at=NOW)], user_id="Lena")
        answer = QuotingLLM(bank, user_id="Lena").ask("When did Lorna say she is sorry?", now=NOW)
    quote = answer.text.partition("“")[2].partition("”")[0]
    assert "sorry" in quote
    assert quote in text


def test_it_is_a_language_model_for_plain_python(companion):
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    with pytest.raises(InvalidInputError):
        companion.complete(messages[1:])
    assert companion.complete(messages).startswith("Hello.")


def test_an_answer_that_is_not_remembered_is_kept_for_the_history_only(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder="hashing") as bank:
        bank.add([Turn("My sister Nora plays the cello.", "Oh!", id="fact")], user_id="Lena")
        question = "Which instrument does my sister play?"
        for day in range(3):
            now = datetime.now(timezone.utc) + timedelta(days=day)
            turn = bank.begin_turn(question, user_id="Lena", now=now)
            turn.complete("You told me: “My sister Nora plays the cello.”", remember_answer=False)
        memories = bank.timeline(user_id="Lena")
        assert [memory.turn.answer for memory in memories[1:]] == [
            "You told me: “My sister Nora plays the cello.”"
        ] * 3
        assert {memory.text for memory in memories[1:]} == {question}
        found = bank.search(question, user_id="Lena")
        assert found[0].memory.id == "fact"
        context = bank.context(question, user_id="Lena")
        assert context.text.count("plays the cello") == 1
        bank.summarize(user_id="Lena")
        digests = [digest.text for digest in bank.digests(user_id="Lena")]
        assert not any("You told me" in text for text in digests)
