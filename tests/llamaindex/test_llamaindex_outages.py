"""If the bank fails, the chat continues, and what is said is stored when the bank works again."""

import asyncio
from contextlib import contextmanager

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llamaindex_examples import ALICE, FACT, IGNORED_WARNINGS, QUESTION, Scripted, function_agent
from sqlalchemy.ext.asyncio import create_async_engine
from unreachable_store import UnreachableStore

from memorybank_core import EmbedderError, MemoryBank, Turn
from memorybank_llamaindex import MemoryBankMemory, memory_with_bank
from memorybank_llamaindex.events import MemoryFailed

pytestmark = [*IGNORED_WARNINGS, pytest.mark.usefixtures("own_loop")]
SAID = [("I moved to Oslo.", "Welcome."), ("My cat is called Pepper.", "Cute.")]


@contextmanager
def outage(bank):
    """Let the store of a bank fail within the block."""
    store, bank.store = bank.store, UnreachableStore()
    yield bank.store
    bank.store, bank.backlog._open_until = store, 0.0


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([Turn(FACT, "How lovely!", session="earlier")], user_id=ALICE)
        yield bank


@pytest.fixture
def failures():
    """Return what the memory could not do, as handlers of events see it."""

    class Recorder(BaseEventHandler):
        def handle(self, event, **kwargs):
            if isinstance(event, MemoryFailed):
                failures.append((event.action, event.kind))

    failures, root, recorder = [], get_dispatcher(), Recorder()
    root.add_event_handler(recorder)
    yield failures
    root.event_handlers.remove(recorder)


@pytest.fixture(params=["memory", "block"])
def memory(request, bank):
    if request.param == "memory":
        yield MemoryBankMemory.from_defaults(bank, ALICE, "now")
    else:
        engine = create_async_engine("sqlite+aiosqlite://")
        yield memory_with_bank(bank, ALICE, "now", async_engine=engine)
        asyncio.run(engine.dispose())


def user(words):
    return ChatMessage(words, role="user")


def ai(words):
    return ChatMessage(words, role="assistant")


def words(messages):
    return [message.content for message in messages]


def stored_turns(bank):
    turns = [memory.turn for memory in bank.timeline(user_id=ALICE, session="now")]
    return [(turn.query, turn.response) for turn in turns]


def test_what_is_said_to_an_engine_in_an_outage_is_stored_after_it(bank, memory, failures):
    model = Scripted(answers=[answer for _, answer in SAID] + ["The cello."])
    engine = SimpleChatEngine.from_defaults(llm=model, memory=memory)
    with outage(bank) as store:
        assert [engine.chat(query).response for query, _ in SAID] == ["Welcome.", "Cute."]
        assert store.calls == 1
        lines = [line for turn in SAID for line in turn]
        assert words(engine.chat_history) == lines
    assert {kind for _, kind in failures} == {"StoreUnavailableError"}
    assert engine.chat(QUESTION).response == "The cello."
    assert FACT in words(model.seen[-1])[-1]
    assert stored_turns(bank) == [*SAID, (QUESTION, "The cello.")]
    assert words(memory.get_all()) == [*lines, QUESTION, "The cello."]


def test_an_agent_answers_in_an_outage(bank, memory, failures):
    call = {"tool_name": "look_up", "tool_kwargs": {"topic": "Oslo"}}
    agent = function_agent(Scripted(answers=[call, *(answer for _, answer in SAID)]))

    async def talk():
        for query, answer in SAID:
            assert str(await agent.run(user_msg=query, memory=memory)) == answer

    with outage(bank):
        asyncio.run(talk())
    memory.put(user(QUESTION))
    assert stored_turns(bank) == [*SAID, (QUESTION, "")]


def test_a_turn_is_stored_once_if_the_outage_begins_or_ends_within_it(bank, memory, failures):
    memory.put(user(SAID[0][0]))
    with outage(bank):
        memory.put(ai(SAID[0][1]))
        memory.put(user(SAID[1][0]))
    memory.put(ai(SAID[1][1]))
    assert stored_turns(bank) == SAID
    assert words(memory.get_all()) == [line for turn in SAID for line in turn]


def test_an_answer_to_nothing_and_a_history_are_stored_after_the_outage(bank, memory, failures):
    with outage(bank):
        memory.put_messages([ai("Good morning!"), user(SAID[0][0]), ai(SAID[0][1])])
        memory.put(user(QUESTION))
        assert len(memory.get_all()) == 4
    memory.put(ai("The cello."))
    assert sorted(stored_turns(bank)) == sorted(
        [("", "Good morning!"), SAID[0], (QUESTION, "The cello.")]
    )


def test_a_failing_embedder_removes_nothing_from_the_conversation(
    bank, memory, failures, monkeypatch
):
    def fail(*args):
        raise EmbedderError("no model")

    with monkeypatch.context() as patched:
        patched.setattr(bank.embedder, "embed_documents", fail)
        patched.setattr(bank.embedder, "embed_query", fail)
        memory.put_messages([user(SAID[0][0]), ai(SAID[0][1]), user(QUESTION)])
        assert words(memory.get())[:2] == list(SAID[0])
        assert stored_turns(bank) == []
    assert "EmbedderError" in dict(map(reversed, failures))
    memory.put(ai("The cello."))
    assert stored_turns(bank) == [SAID[0], (QUESTION, "The cello.")]


def test_a_closed_bank_does_not_stop_the_chat(tmp_path, failures, caplog):
    bank = MemoryBank.open(tmp_path / "closed.db", embedder="hashing")
    memory = MemoryBankMemory.from_defaults(bank, ALICE)
    engine = SimpleChatEngine.from_defaults(llm=Scripted(answers=["Hi!"]), memory=memory)
    bank.close()
    assert engine.chat("Hello").response == "Hi!"
    assert {kind for _, kind in failures} == {"StoreClosedError"}
    assert "the chat continues" in caplog.text


def test_a_failing_tokenizer_does_not_stop_the_chat(bank, failures):
    class Broken:
        def encode(self, text):
            raise RuntimeError("no vocabulary")

    memory = MemoryBankMemory.from_defaults(bank, ALICE, "now", tokenizer=Broken())
    model = Scripted(answers=["The cello."])
    SimpleChatEngine.from_defaults(llm=model, memory=memory).chat(QUESTION)
    assert stored_turns(bank) == [(QUESTION, "The cello.")]
    assert {action for action, _ in failures} == {"count tokens", "recall"}


def test_a_message_that_is_put_again_in_an_outage_is_one_turn(bank, memory, failures):
    with outage(bank):
        for _ in range(2):
            memory.put(user(SAID[0][0]))
        again = MemoryBankMemory.from_defaults(bank, ALICE, "now")
        if not isinstance(memory, MemoryBankMemory):
            again = memory_with_bank(
                bank, ALICE, "now", async_engine=memory.sql_store._async_engine
            )
        again.put(user(SAID[0][0]))
        again.put(ai(SAID[0][1]))
    bank.backlog.close()
    assert stored_turns(bank) == [SAID[0]]


def test_clear_removes_what_was_said_in_an_outage(bank, failures):
    memory = MemoryBankMemory.from_defaults(bank, ALICE, "now")
    other = MemoryBankMemory.from_defaults(bank, ALICE, "later")
    memory.put_messages([user("Hello"), ai("Hi!")])
    with outage(bank):
        memory.put_messages([user("My PIN is 1234."), ai("Noted."), user("And 5678.")])
        other.put_messages([user("I moved to Oslo."), ai("Welcome!")])
    memory.clear()
    memory.put_messages([user("Hello again"), ai("Hi.")])
    assert stored_turns(bank) == [("Hello again", "Hi.")]
    assert [m.turn.query for m in bank.timeline(user_id=ALICE, session="later")] == [
        "I moved to Oslo."
    ]


def test_what_was_said_in_an_outage_before_a_reset_is_not_part_of_the_conversation(bank, failures):
    memory = MemoryBankMemory.from_defaults(bank, ALICE, "now")
    with outage(bank):
        memory.put_messages([user("My cat is called Pepper."), ai("Cute.")])
    memory.reset()
    assert MemoryBankMemory.from_defaults(bank, ALICE, "now").get_all() == []
