"""Small talk on each LangChain surface: nothing is recalled, and nothing is strengthened."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("langchain_classic", reason="langchain-classic is not installed")
pytest.importorskip("langgraph", reason="langgraph is not installed")

from agent_examples import Scripted, agent_of
from langchain_core.language_models import FakeListChatModel
from langchain_core.prompts import ChatPromptTemplate
from langchain_examples import ALICE, TALK
from pydantic import Field

from memorybank_core import MemoryBank, Turn
from memorybank_core.context import MAX_REINFORCED, OPENING
from memorybank_langchain import (
    MemoryBankMemory,
    MemoryBankMiddleware,
    MemoryBankRetriever,
    memory_tools,
    recalled,
    with_memory,
)
from memorybank_langchain.siliconfriend import siliconfriend

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
SMALL_TALK = ["Hello!", "Thanks a lot!", "ok", "How are you today?", "你好！", "好的，谢谢", "👍"]
QUESTION = "Which instrument does my sister Nora play?"
PROMPT = ChatPromptTemplate([("human", "{memory}|{input}")])


class Recording(FakeListChatModel):
    """A chat model that records the texts of its prompts."""

    responses: list = Field(["Hi."])
    prompts: list = Field(default_factory=list)

    def _call(self, messages, *args, **kwargs):
        self.prompts.append("\n".join(message.text for message in messages))
        return super()._call(messages, *args, **kwargs)


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


def classic_memory(bank, text, **options):
    memory = MemoryBankMemory(bank=bank, user_id=ALICE, recent=0, **options)
    variables = memory.load_memory_variables({"input": text})
    memory.save_context({"input": text}, {"output": "Hi."})
    return variables["history"]


def classic_messages(bank, text, **options):
    options = {"bank": bank, "user_id": ALICE, "recent": 0, "return_messages": True, **options}
    memory = MemoryBankMemory(**options)
    messages = asyncio.run(memory.aload_memory_variables({"input": text}))
    asyncio.run(memory.asave_context({"input": text}, {"output": "Hi."}))
    return "".join(message.text for message in messages["history"])


def chain(bank, text, **options):
    model = Recording()
    with_memory(PROMPT | model, bank, user_id=ALICE, **options).invoke(text)
    return model.prompts[0].partition("|")[0]


def step(bank, text, **options):
    return recalled(bank, user_id=ALICE, **options).invoke(text)


def agent(bank, text, **options):
    model = Scripted()
    memory = MemoryBankMiddleware(bank, **options)
    state = {"messages": [("user", text)]}
    agent_of(bank, model, memory=memory).invoke(state, context={"user_id": ALICE})
    (prompt,) = model.prompts
    return "".join(message.text for message in prompt).removeprefix(text)


def retriever(bank, text, **options):
    found = MemoryBankRetriever(bank=bank, user_id=ALICE, reinforce=True, **options).invoke(text)
    return "".join(document.page_content for document in found)


def tools(bank, text, **options):
    _, recall, _ = memory_tools(bank, user_id=ALICE, **options)
    return recall.invoke({"query": text}).removeprefix("Nothing is remembered about that.")


def companion(bank, text, **options):
    model = Recording()
    siliconfriend(model, bank, user_id=ALICE, session="new", **options).invoke({"input": text})
    _, opening, block = model.prompts[0].partition(OPENING)
    return opening + block


SURFACES = [
    classic_memory, classic_messages, chain, step, agent, retriever, tools, companion,
]  # fmt: skip


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
    assert (0 if surface is step else 1) <= len(strengthened) <= MAX_REINFORCED
    assert strengthened or surface is step


@pytest.mark.parametrize(
    "surface", [classic_memory, classic_messages, chain, step, agent, companion]
)
@pytest.mark.parametrize("text", [QUESTION, "What am I allergic to?", "我的猫叫什么？"])
def test_a_prompt_holds_the_context_of_the_bank(bank, surface, text):
    context = bank.context(text, user_id=ALICE).text
    assert OPENING in context
    assert context in surface(bank, text)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_minimum_of_0_recalls_small_talk_but_does_not_strengthen_it(bank, surface):
    before = strengths(bank)
    assert "Hi." in surface(bank, "Hello!", min_relevance=0.0)
    assert strengths(bank) == before


@pytest.mark.parametrize("surface", SURFACES)
def test_a_minimum_above_1_is_refused(bank, surface):
    with pytest.raises(ValueError, match=r"min_relevance|less than or equal to 1"):
        surface(bank, "Hello!", min_relevance=1.5)


def test_300_turns_of_small_talk_strengthen_nothing(bank):
    before = strengths(bank)
    for number in range(300):
        classic_memory(bank, SMALL_TALK[number % len(SMALL_TALK)])
    assert strengths(bank) == before
    assert {memory.strength for memory in bank.timeline(user_id=ALICE)} == {1.0}
