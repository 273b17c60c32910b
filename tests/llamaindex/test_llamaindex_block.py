"""The block of LlamaIndex's own `Memory`, in real engines and agents, on a real file."""

import asyncio
import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

from embedding_log import EmbeddingLog
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.core.memory import Memory, StaticMemoryBlock
from llamaindex_examples import (
    AGENTS,
    ALICE,
    BOB,
    ENGINES,
    FACT,
    IGNORED_WARNINGS,
    QUESTION,
    TALK,
    WAYS,
    Scripted,
    function_agent,
    script,
)
from sqlalchemy.ext.asyncio import create_async_engine

from memorybank_core import MemoryBank, Turn
from memorybank_core.context import OPENING
from memorybank_core.text import split_windows
from memorybank_llamaindex import MemoryBankMemory
from memorybank_llamaindex import block as block_module
from memorybank_llamaindex.block import MemoryBankBlock, memory_with_bank

pytestmark = [*IGNORED_WARNINGS, pytest.mark.usefixtures("own_loop")]


@pytest.fixture
def memory_of(bank):
    """Return a function that creates memories; their own databases are closed at the end."""
    engines = []

    def made(session, make=memory_with_bank, **options):
        engines.append(create_async_engine("sqlite+aiosqlite://"))
        place = (bank, ALICE, session) if make is memory_with_bank else ()
        return make(*place, async_engine=engines[-1], **options)

    yield made
    for engine in engines:
        asyncio.run(engine.dispose())


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def user(words):
    return ChatMessage(words, role="user")


def ai(words):
    return ChatMessage(words, role="assistant")


def words(messages):
    return [message.content for message in messages]


def stored_turns(bank, user_id=ALICE, **which):
    turns = [memory.turn for memory in bank.timeline(user_id=user_id, kind="turn", **which)]
    return [(turn.query, turn.response) for turn in turns]


def strength_of_fact(bank):
    turns = bank.timeline(user_id=ALICE, kind="turn")
    return next(memory.strength for memory in turns if memory.turn.query == FACT)


@pytest.mark.parametrize("way", ["chat", "achat"])
@pytest.mark.parametrize("kind", ENGINES)
def test_ten_turns_with_an_engine_are_kept_once_each_and_recalled(bank, memory_of, kind, way):
    model = Scripted(answers=[answer for _, answer in TALK])
    engine = ENGINES[kind](model, memory_of("monday"))
    for number, (query, _) in enumerate(TALK):
        WAYS[way](engine, query)
        assert stored_turns(bank, session="monday") == list(TALK[: number + 1])
    engine = ENGINES[kind](model, memory_of("tuesday", k=1))
    model.answers, model.seen = ["The cello."], []
    WAYS[way](engine, QUESTION)
    prompt = str(words(model.seen[0]))
    assert prompt.count(OPENING) == prompt.count(FACT) == 1
    assert strength_of_fact(bank) == 2


@pytest.mark.parametrize("kind", AGENTS)
def test_ten_turns_with_an_agent_are_kept_once_each_and_recalled(bank, memory_of, kind):
    lines = [script(kind, answer, i) for i, (_, answer) in enumerate(TALK)]
    model = Scripted(answers=[line for turn in lines for line in turn])

    async def talk(memory, *queries):
        for query in queries:
            await AGENTS[kind](model).run(user_msg=query, memory=memory)

    asyncio.run(talk(memory_of("monday"), *(query for query, _ in TALK)))
    assert stored_turns(bank, session="monday") == list(TALK)
    before = strength_of_fact(bank)
    model.answers, model.seen = script(kind, "The cello.", 3), []
    asyncio.run(talk(memory_of("tuesday", k=1), QUESTION))
    assert len(model.seen) == 2
    assert all(FACT in str(words(prompt)) for prompt in model.seen)
    assert strength_of_fact(bank) == before + 1
    assert stored_turns(bank, session="tuesday") == [(QUESTION, "The cello.")]


def test_a_model_that_fails_once(bank, memory_of):
    bank.add([Turn(FACT, session="earlier")], user_id=ALICE)
    model = Scripted(answers=[ConnectionError("down"), "The cello."])
    memory = memory_of("now")
    engine = SimpleChatEngine.from_defaults(llm=model, memory=memory)
    with pytest.raises(ConnectionError):
        engine.chat(QUESTION)
    assert stored_turns(bank, session="now") == [(QUESTION, "")]
    engine.chat(QUESTION)
    assert stored_turns(bank, session="now") == [(QUESTION, "The cello.")]
    assert strength_of_fact(bank) == 2


def test_an_agent_that_is_given_a_history_alone(bank, memory_of):
    memory = memory_of("now")
    agent = function_agent(Scripted(answers=["How lovely!"]))

    async def ran():
        await agent.run(chat_history=[user("Hello"), ai("Hi!"), user(FACT)], memory=memory)

    asyncio.run(ran())
    assert stored_turns(bank) == [(FACT, "How lovely!")]
    memory.set([user("Hello"), ai("Hi!")])
    assert stored_turns(bank) == [(FACT, "How lovely!")]


def test_by_itself_it_keeps_what_overflows(bank, memory_of):
    block = MemoryBankBlock(bank=bank, user_id=ALICE)
    options = {"session_id": "s", "token_limit": 60, "token_flush_size": 10}
    memory = memory_of("s", Memory.from_defaults, memory_blocks=[block], **options)
    for query, answer in TALK:
        memory.put_messages([user(query), ai(answer)])
    kept = stored_turns(bank, session="s")
    assert kept == list(TALK[: len(kept)])
    assert 5 < len(kept) < 10
    assert FACT in memory.get(input=QUESTION)[0].content


def test_an_overflow_is_not_kept_twice(bank, memory_of):
    memory = memory_of("s", token_limit=60, token_flush_size=10)
    for query, answer in TALK:
        memory.put_messages([user(query), ai(answer)])
    assert len(memory.get_all()) == 20
    assert stored_turns(bank) == list(TALK)
    memory.reset()
    assert memory.get_all() == []
    assert stored_turns(bank) == list(TALK)


def test_one_block_in_two_sessions_and_one_each_for_two_users(bank):
    shared = MemoryBankBlock(bank=bank, user_id=ALICE, accept_short_term_memory=False)
    bobs = MemoryBankBlock(bank=bank, user_id=BOB, accept_short_term_memory=False)
    places = [(shared, "one"), (shared, "two"), (bobs, "one")]

    def talk(number):
        block, session = places[number]

        async def ran():
            texts = []
            for turn in range(4):
                query = f"My secret number {turn} is canary{number}."
                await block.aput([user(query)], session_id=session)
                texts.append(await block.aget([user(query)], session_id=session))
                await block.aput([ai("Noted.")], session_id=session)
            return texts

        return asyncio.run(ran())

    with ThreadPoolExecutor(3) as pool:
        texts = list(pool.map(talk, range(3)))
    for number, (block, session) in enumerate(places):
        kept = [(f"My secret number {i} is canary{number}.", "Noted.") for i in range(4)]
        assert stored_turns(bank, block.user_id, session=session) == kept
    assert "canary2" not in str(texts[:2])
    assert "canary0" not in str(texts[2])
    assert "canary1" not in str(texts[2])


def test_beside_other_blocks(bank, memory_of):
    static = StaticMemoryBlock(name="rules", static_content="Be kind.")
    memory = memory_of(None, memory_blocks=[static])
    memory.put(user(FACT))
    bank.add([Turn("Nora lives in Bergen.", session="earlier")], user_id=ALICE)
    [message] = memory.get(input="Where does Nora live?")
    assert "Be kind." in message.content
    assert "Nora lives in Bergen." in message.content
    assert message.content.endswith(FACT)


def test_without_messages_there_is_what_is_known(bank):
    bank.add([Turn(FACT, "How lovely!")], user_id=ALICE)
    bank.summarize(user_id=ALICE)
    block = MemoryBankBlock(bank=bank, user_id=ALICE)
    assert OPENING in asyncio.run(block.aget())
    assert strength_of_fact(bank) == 1


@pytest.mark.parametrize("wrong", [{"user_id": ""}, {"k": 0}, {"user": "a"}], ids=str)
def test_an_argument_that_cannot_be_is_refused(bank, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MemoryBankBlock(**{"bank": bank, "user_id": ALICE, **wrong})


def test_what_is_deleted_leaves_the_buffer_and_its_archive(bank, memory_of):
    memory = memory_of("s", token_limit=60, token_flush_size=10)
    for query, answer in TALK:
        memory.put_messages([user(query), ai(answer)])
    assert len(memory.get_all()) == 20
    ids = [stored.id for stored in bank.timeline(user_id=ALICE)]
    bank.delete(user_id=ALICE, ids=[ids[0], ids[-1]])
    remaining = [text for turn in TALK[1:-1] for text in turn]
    assert TALK[-1][0] not in str(words(memory.get()))
    assert words(memory.get_all()) == remaining
    assert words(Memory.get_all(memory)) == remaining  # in LlamaIndex's own store, too
    assert all(not message.additional_kwargs for message in memory.get_all())


def test_a_portrait_of_what_was_deleted_is_not_shown_within_the_turn(bank, memory_of):
    bank.add([Turn(FACT, "How lovely!", id="fact", session="earlier")], user_id=ALICE)
    bank.summarize(user_id=ALICE)
    memory = memory_of("s")
    memory.put(user("Hello!"))
    assert "cello" in memory.get()[0].content
    bank.delete(user_id=ALICE, ids=["fact"])
    assert words(memory.get()) == ["Hello!"]


def test_recall_happens_once_a_turn_and_strengthens_after_the_answer(bank, memory_of, monkeypatch):
    bank.add([Turn(FACT, session="earlier")], user_id=ALICE)
    searches, search = [], bank.search
    monkeypatch.setattr(bank, "search", lambda *a, **b: searches.append(a) or search(*a, **b))
    memory = memory_of("s")
    memory.put(user(QUESTION))
    assert words(memory.get()) == words(memory.get())
    assert (len(searches), strength_of_fact(bank)) == (1, 1)
    memory.put(ai("The cello."))
    assert FACT in str(words(memory.get()))
    assert (len(searches), strength_of_fact(bank)) == (1, 2)


def test_a_block_alone_strengthens_when_it_sees_the_answer(bank, memory_of):
    bank.add([Turn(FACT, session="earlier")], user_id=ALICE)
    block = MemoryBankBlock(bank=bank, user_id=ALICE)
    memory = memory_of("s", Memory.from_defaults, memory_blocks=[block], session_id="s")
    memory.put(user(QUESTION))
    assert FACT in memory.get()[0].content
    assert strength_of_fact(bank) == 1
    memory.put_messages([ai("The cello."), user("Thanks!")])
    memory.get()
    assert strength_of_fact(bank) == 2
    assert stored_turns(bank, session="s") == []


def test_equal_messages_are_turns_of_their_own(bank, memory_of):
    old = datetime.now(timezone.utc) - timedelta(hours=1)
    bank.add([Turn(QUESTION, "", old, session="s")], user_id=ALICE)
    memory = memory_of("s")
    memory.put(ai("Good morning!"))
    memory.put_messages([user(QUESTION), ai("The cello."), user(QUESTION)])
    memory.reset()
    memory.put(ai("Hello again!"))
    turns = [("", "Good morning!"), (QUESTION, "The cello."), (QUESTION, ""), ("", "Hello again!")]
    assert stored_turns(bank) == [(QUESTION, ""), *turns]


def test_two_tabs_that_ask_the_same_keep_both_answers(bank, memory_of):
    one, two = memory_of("s"), memory_of("s")
    one.put(user(QUESTION))
    two.put(user(QUESTION))
    one.put(ai("The cello."))
    two.put(ai("Nora plays the cello."))
    answers = [(QUESTION, "The cello."), (QUESTION, "Nora plays the cello.")]
    assert stored_turns(bank) == answers


def test_a_long_message_is_embedded_as_a_query_and_with_its_answer(tmp_path):
    article = "The cello has four strings. " * 300
    with MemoryBank.open(tmp_path / "long.db", embedder=EmbeddingLog()) as bank:
        block = MemoryBankBlock(bank=bank, user_id=ALICE)

        async def turn():
            await block.aput([user(article)], session_id="s")
            await block.aget([user(article)], session_id="s")
            await block.aput([ai("I see.")], session_id="s")

        kinds = [kind for kind, _ in bank.embedder.of(lambda: asyncio.run(turn()))]
    assert kinds.count("query") <= 3
    assert kinds.count("document") == len(split_windows(f"{article}\nI see."))


def test_a_deep_copy_shares_the_bank(bank):
    block = MemoryBankBlock(bank=bank, user_id=7)
    for copied in (copy.deepcopy(block), block.model_copy(deep=True)):
        assert (copied.bank, copied.user_id) == (bank, "7")
        asyncio.run(copied.aput([user(FACT)]))
    assert bank.users() == ["7"]


def test_open_turns_of_many_sessions_are_bounded(bank, monkeypatch):
    monkeypatch.setattr(block_module, "_MAX_OPEN_TURNS", 2)
    block = MemoryBankBlock(bank=bank, user_id=ALICE)
    for number in range(4):
        asyncio.run(block.aput([user(f"Question {number}")], session_id=str(number)))
    assert list(block._open_turns) == ["2", "3"]
    asyncio.run(block.aput([ai("Answer")], session_id="0"))
    assert stored_turns(bank, session="0") == [("Question 0", "Answer")]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda memory: memory.model_copy(deep=True)])
def test_a_copy_shares_the_bank_and_the_messages(bank, memory_of, copied):
    memory = memory_of("monday")
    memory.put_messages([user(FACT), ai("How lovely!")])
    twin = copied(memory)
    twin.put(user("And I paint."))
    assert twin.memory_blocks[0].bank is bank
    assert words(memory.get_all()) == words(twin.get_all()) == [FACT, "How lovely!", "And I paint."]
    memory.put(ai("What do you paint?"))
    assert stored_turns(bank)[1:] == [("And I paint.", "What do you paint?")]


def test_a_copy_of_a_block_or_memory_shares_its_tokenizer(bank):
    class Unpicklable:
        def __call__(self, text):
            return len(text)

        def __reduce__(self):
            raise TypeError("this tokenizer cannot be copied")

    tokenizer = Unpicklable()
    block = MemoryBankBlock(bank=bank, user_id=ALICE, tokenizer=tokenizer)
    memory = MemoryBankMemory.from_defaults(bank, ALICE, tokenizer=tokenizer)
    for surface in (block, memory):
        for twin in (copy.deepcopy(surface), surface.model_copy(deep=True)):
            assert (twin.bank, twin.tokenizer) == (bank, tokenizer)


def test_pickling_says_what_to_do_instead(bank, memory_of):
    with pytest.raises(TypeError, match="call memory_with_bank"):
        pickle.dumps(memory_of("monday"))
    with pytest.raises(TypeError, match=r"call MemoryBank\.open"):
        pickle.dumps(MemoryBankBlock(bank=bank, user_id=ALICE))
