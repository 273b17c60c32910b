"""Small talk on each LlamaIndex surface: nothing is recalled, and nothing is strengthened."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llamaindex_examples import ALICE, IGNORED_WARNINGS, QUESTION, TALK, Scripted
from sqlalchemy.ext.asyncio import create_async_engine

from memorybank_core import MemoryBank, Turn
from memorybank_core.context import MAX_REINFORCED, OPENING
from memorybank_llamaindex import (
    MemoryBankBlock,
    MemoryBankMemory,
    MemoryBankRetriever,
    MemoryBankToolSpec,
    memory_with_bank,
)

pytestmark = IGNORED_WARNINGS
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
ANSWER = ChatMessage("Hi.", role="assistant")
SMALL_TALK = ["Hello!", "Thanks a lot!", "ok", "How are you today?", "你好！", "好的，谢谢", "👍"]


@pytest.fixture
def bank(tmp_path):
    """Return a bank in which every small talk was said before."""
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        said = [*TALK, *((text, "Hi.") for text in SMALL_TALK)]
        bank.add(
            [Turn(*pair, MONDAY + timedelta(hours=i)) for i, pair in enumerate(said)],
            user_id=ALICE,
        )
        yield bank


def memory(bank, text, **options):
    """Return what the prompt of a chat engine holds besides the message."""
    options = {"bank": bank, "user_id": ALICE, "session": "new", **options}
    llm = Scripted(answers=["Hi."])
    engine_memory = MemoryBankMemory.from_defaults(**options)
    engine_memory.reset()
    SimpleChatEngine.from_defaults(llm=llm, memory=engine_memory).chat(text)
    return "".join(message.content for message in llm.seen[0]).removeprefix(text)


def block(bank, text, **options):
    recall = MemoryBankBlock(bank=bank, user_id=ALICE, **options)
    recalled = asyncio.run(recall.aget([ChatMessage(text)], session_id="new"))
    asyncio.run(recall.aget([ChatMessage(text), ANSWER], session_id="new"))
    return recalled


def own_memory(bank, text, **options):
    """Return what LlamaIndex's own `Memory` adds to the message."""
    engine = create_async_engine("sqlite+aiosqlite://")

    async def read():
        memory = memory_with_bank(bank, ALICE, "new", async_engine=engine, **options)
        await memory.aput(ChatMessage(text))
        messages = await memory.aget()
        await memory.aput(ANSWER)
        await engine.dispose()
        return "".join(message.content for message in messages).replace(text, "", 1)

    return asyncio.run(read())


def retriever(bank, text, **options):
    nodes = MemoryBankRetriever(bank, user_id=ALICE, reinforce=True, **options).retrieve(text)
    return "".join(node.text for node in nodes)


def tools(bank, text, **options):
    reply = MemoryBankToolSpec(bank, user_id=ALICE, **options).recall(text)
    return reply.removeprefix("Nothing is remembered about that.")


SURFACES = [memory, block, own_memory, retriever, tools]


def strengths(bank):
    return {m.id: m.strength for m in bank.timeline(user_id=ALICE) if m.created_at.year == 2024}


@pytest.mark.parametrize("surface", SURFACES)
def test_small_talk_puts_nothing_into_the_prompt_and_strengthens_nothing(bank, surface):
    before = strengths(bank)
    assert [surface(bank, text) for text in SMALL_TALK] == [""] * len(SMALL_TALK)
    assert strengths(bank) == before


@pytest.mark.parametrize("surface", SURFACES)
def test_a_question_recalls_and_strengthens_at_most_five(bank, surface):
    assert "Nora plays the cello" in surface(bank, QUESTION)
    strengthened = [strength for strength in strengths(bank).values() if strength > 1]
    assert 1 <= len(strengthened) <= MAX_REINFORCED


@pytest.mark.parametrize("surface", [memory, block, own_memory])
@pytest.mark.parametrize("text", [QUESTION, "What am I allergic to?", "我的猫叫什么？"])
def test_a_prompt_holds_what_the_bank_finds(bank, surface, text):
    found = bank.search(text, user_id=ALICE, k=3)
    prompt = surface(bank, text)
    assert OPENING in prompt
    assert all(result.memory.turn.query in prompt for result in found)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_minimum_of_0_recalls_small_talk_but_does_not_strengthen_it(bank, surface):
    before = strengths(bank)
    assert "Hi." in surface(bank, "Hello!", min_relevance=0.0)
    assert strengths(bank) == before


@pytest.mark.parametrize("surface", SURFACES)
def test_a_minimum_above_1_is_refused(bank, surface):
    with pytest.raises(ValueError, match=r"min_relevance|less than or equal to 1"):
        surface(bank, "Hello!", min_relevance=1.5)


def test_the_minimum_survives_serialization(bank):
    memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, min_relevance=0.75)
    assert MemoryBankMemory.from_dict(memory.to_dict()).min_relevance == 0.75


def test_300_turns_of_small_talk_strengthen_nothing(bank):
    before = strengths(bank)
    memory = MemoryBankMemory.from_defaults(bank=bank, user_id=ALICE, session="chat")
    for number in range(300):
        memory.put(ChatMessage(SMALL_TALK[number % len(SMALL_TALK)], role="user"))
        memory.get()
        memory.put(ChatMessage("Hi.", role="assistant"))
    assert strengths(bank) == before
    assert {memory.strength for memory in bank.timeline(user_id=ALICE)} == {1.0}
