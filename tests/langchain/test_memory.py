"""The memory for classic chains, in real chains, on a real file."""

import asyncio
import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest

pytest.importorskip("langchain_classic", reason="langchain-classic is not installed")

from langchain_classic.chains import ConversationChain, LLMChain
from langchain_classic.memory import CombinedMemory, ConversationBufferMemory
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from langchain_examples import ALICE, BOB, TALK, WAYS, FailsOnce, model_of
from unreachable_store import UnreachableStore

from memorybank_core import MemoryBank, StoreClosedError, Turn
from memorybank_core.context import CLOSING, OPENING
from memorybank_langchain.history import MemoryBankChatMessageHistory
from memorybank_langchain.memory import MemoryBankMemory
from memorybank_langchain.runnable import with_memory

pytestmark = pytest.mark.filterwarnings(
    "ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"  # LangChain's chains'
)
ROOT = Path(__file__).parents[2]
QUESTION = "Which instrument does my sister Nora play?"
LAST_TWO = "Human: I paint small boats.\nAI: In oil?\nHuman: In water colours.\nAI: Fitting."


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


@pytest.fixture
def talked(bank):
    """A bank with the ten turns."""
    for query, response in TALK:
        bank.add([Turn(query, response)], user_id=ALICE)
    return bank


def memory_of(bank, **options):
    return MemoryBankMemory(bank=bank, **{"user_id": ALICE, "recent": 2, **options})


def loaded(memory, **inputs):
    return memory.load_memory_variables(inputs)[memory.memory_key]


def stored_turns(bank, user_id=ALICE, **which):
    turns = [memory.turn for memory in bank.timeline(user_id=user_id, kind="turn", **which)]
    return [(turn.query, turn.response) for turn in turns]


def recalls(bank):
    return {
        memory.turn.query: memory.recalls for memory in bank.timeline(user_id=ALICE, kind="turn")
    }


@pytest.mark.parametrize("way", WAYS)
def test_ten_turns_of_a_conversation_are_kept_once_each_and_recalled(tmp_path, way):
    file, begun = tmp_path / "friend.db", datetime.now(timezone.utc)
    with MemoryBank.open(file, embedder="hashing") as bank:
        model = model_of(answer for _, answer in TALK)
        chain = ConversationChain(llm=model, memory=memory_of(bank))
        for query, answer in TALK:
            assert WAYS[way](chain, {"input": query})["response"] == answer
        assert stored_turns(bank) == list(TALK)
        times = [memory.created_at for memory in bank.timeline(user_id=ALICE)]
        assert begun <= times[0]
        assert times == sorted(times)
        assert times[-1] <= datetime.now(timezone.utc)
    with MemoryBank.open(file, embedder="hashing") as bank:
        chain = ConversationChain(llm=model_of(["The cello."]), memory=memory_of(bank))
        output = WAYS[way](chain, {"input": QUESTION})
        history = output.get("history") or loaded(memory_of(bank), input=QUESTION)
    assert history.startswith(OPENING)
    assert "plays the cello" in history.partition(CLOSING)[0]
    if "history" in output:  # a stream gives the outputs alone
        assert history.endswith(f"{CLOSING}\n\n{LAST_TWO}")


def test_the_latest_turns_are_shown_as_they_were_and_not_recalled_too(talked):
    history = loaded(memory_of(talked), input="What do I paint? Boats? In water colours?")
    assert history.endswith(LAST_TWO)
    assert history.count("small boats") == history.count("water colours") == 1
    alone = loaded(memory_of(talked, recent=0), input="What do I paint? In water colours?")
    assert alone.endswith(CLOSING)
    assert alone.count("small boats") == alone.count("water colours") == 1


def test_as_messages_the_context_comes_first(talked):
    memory = memory_of(talked, return_messages=True, recent=1)
    context, question, answer = loaded(memory, input=QUESTION)
    assert isinstance(context, SystemMessage)
    assert "plays the cello" in context.content
    assert (type(question), question.content) == (HumanMessage, "In water colours.")
    assert (type(answer), answer.content) == (AIMessage, "Fitting.")
    assert loaded(memory, input=QUESTION)[1:] == [question, answer]  # the same ids, too


@pytest.mark.parametrize("way", WAYS)
def test_messages_and_other_names_in_a_chain(talked, way):
    memory = memory_of(
        talked, return_messages=True, memory_key="past", input_key="question", output_key="text"
    )
    prompt = ChatPromptTemplate(
        [("system", "Speak {tongue}."), MessagesPlaceholder("past"), ("human", "{question}")]
    )
    chain = LLMChain(llm=model_of(["The cello."]), prompt=prompt, memory=memory)
    WAYS[way](chain, {"question": QUESTION, "tongue": "plainly"})
    assert stored_turns(talked)[-1] == (QUESTION, "The cello.")
    assert recalls(talked)["My sister Nora plays the cello."] == 1


def test_beside_another_memory(talked):
    ours = memory_of(talked, input_key="input", human_prefix="Alice", ai_prefix="Friend")
    both = CombinedMemory(
        memories=[ours, ConversationBufferMemory(memory_key="today", input_key="input")]
    )
    prompt = PromptTemplate.from_template("{history}\n{today}\n{input}")
    chain = LLMChain(llm=model_of(["Yes.", "The cello."]), prompt=prompt, memory=both)
    chain.invoke({"input": "Are you there?"})
    output = chain.invoke({"input": QUESTION})
    assert output["history"].endswith("\nAlice: Are you there?\nFriend: Yes.")
    assert output["today"] == "Human: Are you there?\nAI: Yes."
    assert stored_turns(talked)[10:] == [("Are you there?", "Yes."), (QUESTION, "The cello.")]
    both.clear()
    assert stored_turns(talked) == []


def test_what_is_recalled_grows_stronger_once_a_turn_when_it_is_answered(talked):
    fact = TALK[0][0]
    for _ in range(3):
        loaded(memory_of(talked, k=1), input=QUESTION)
    asyncio.run(memory_of(talked, k=1).aload_memory_variables({"input": QUESTION}))
    assert set(recalls(talked).values()) == {0}  # loading writes nothing
    for _ in range(2):  # another instance may save; what was not loaded was not recalled
        memory_of(talked).save_context({"input": QUESTION}, {"response": "The cello."})
    assert recalls(talked)[fact] == 1
    assert stored_turns(talked)[10:] == [(QUESTION, "The cello.")] * 2
    chain = ConversationChain(llm=model_of(["The cello!"]), memory=memory_of(talked, k=1, recent=2))
    chain.invoke({"input": QUESTION})
    assert recalls(talked)[fact] == 2


def test_what_was_recalled_for_another_turn_is_not_strengthened(talked):
    memory = memory_of(talked, k=1)
    loaded(memory, input=QUESTION)
    for other in ({"user_id": BOB}, {"session": "other"}):
        memory_of(talked, **other).save_context({"input": QUESTION}, {"output": "The cello."})
    memory.save_context({"input": "Another question?"}, {"output": "Yes."})
    assert set(recalls(talked).values()) == {0}


def test_a_turn_that_is_saved_days_later_has_its_own_time(talked, monkeypatch):
    loaded(memory_of(talked), input=QUESTION)
    monkeypatch.setattr("memorybank_langchain.open_turns.MAX_AGE", timedelta(0))
    before = datetime.now(timezone.utc)
    memory_of(talked).save_context({"input": QUESTION}, {"output": "The cello."})
    assert talked.timeline(user_id=ALICE)[-1].created_at >= before
    assert set(recalls(talked).values()) == {0}


def test_open_turns_are_bounded(talked, monkeypatch):
    monkeypatch.setattr("memorybank_langchain.open_turns.MAX_TURNS", 2)
    memory = memory_of(talked, k=1)
    questions = [QUESTION, "What am I allergic to?", "Where is my office?"]
    for question in questions:
        loaded(memory, input=question)
    for question in questions:
        memory.save_context({"input": question}, {"output": "Hm."})
    counts = recalls(talked)
    assert counts["My sister Nora plays the cello."] == 0
    assert counts["I am allergic to walnuts."] == counts["My office is on the fourth floor."] == 1


@pytest.mark.parametrize("ours_first", [True, False])
def test_a_history_and_a_memory_of_one_session_keep_each_turn_once(bank, ours_first):
    history = MemoryBankChatMessageHistory(bank=bank, user_id=ALICE, session="s")
    ours = memory_of(bank, session="s", input_key="input")
    theirs = ConversationBufferMemory(memory_key="today", input_key="input", chat_memory=history)
    both = CombinedMemory(memories=[ours, theirs] if ours_first else [theirs, ours])
    prompt = PromptTemplate.from_template("{history}\n{today}\n{input}")
    chain = LLMChain(llm=model_of(["Yes.", "ok", "ok"]), prompt=prompt, memory=both)
    for text in ("Are you there?", "ok", "ok"):
        chain.invoke({"input": text})
    assert stored_turns(bank) == [("Are you there?", "Yes."), ("ok", "ok"), ("ok", "ok")]


# As users of LangChain's memories expect.


def test_the_buffer_is_the_conversation(talked):
    memory = MemoryBankMemory(bank=talked, user_id=ALICE)
    lines = "\n".join(f"Human: {query}\nAI: {answer}" for query, answer in TALK)
    assert memory.buffer == memory.buffer_as_str == lines
    assert memory.buffer_as_messages == memory.chat_memory.messages
    assert memory_of(talked, return_messages=True).buffer == memory.chat_memory.messages[-4:]
    assert memory_of(talked).buffer == LAST_TWO
    assert memory_of(talked, recent=0).buffer == ""

    async def read():
        return [await memory.abuffer(), await memory.abuffer_as_str()]

    assert asyncio.run(read()) == [lines, lines]
    assert asyncio.run(memory.abuffer_as_messages()) == memory.chat_memory.messages


@pytest.mark.parametrize("session", [None, "work"])
def test_chat_memory_is_the_history_of_the_conversation(talked, session):
    memory = memory_of(talked, session=session)
    memory.chat_memory.add_user_message("The budget is due.")
    memory.chat_memory.add_ai_message("Noted.")
    expected = [*([] if session else TALK), ("The budget is due.", "Noted.")]
    assert [m.text for m in memory.chat_memory.messages] == [text for it in expected for text in it]
    assert loaded(memory, input="Hello").endswith("Human: The budget is due.\nAI: Noted.")
    memory.chat_memory.clear()
    assert memory.buffer == ""
    assert stored_turns(talked) == (list(TALK) if session else [])


def test_a_limit_of_tokens_takes_the_last_messages_that_fit(talked):
    count = {"tokenizer": str.split, "bank": talked, "user_id": ALICE}
    memory = MemoryBankMemory(max_token_limit=13, **count)
    last = "AI: In oil?\nHuman: In water colours.\nAI: Fitting."
    assert memory.buffer == last
    assert loaded(memory, input=QUESTION).endswith(f"{CLOSING}\n\n{last}")
    question = "Do I paint small boats?"  # half of its turn is shown: the other half is recalled
    assert "small boats" in loaded(memory, input=question)
    many = MemoryBankMemory(max_token_limit=10_000, **count)
    assert len(many.buffer_as_messages) == 20
    assert OPENING not in loaded(many, input=QUESTION)  # the prompt shows every turn already
    both = MemoryBankMemory(max_token_limit=10_000, recent=1, **count)
    assert both.buffer == LAST_TWO.partition("oil?\n")[2]


def test_an_answer_that_is_no_text_is_kept_as_json(bank):
    memory_of(bank).save_context({"input": "Where?"}, {"output": {"city": "Bergen", "at": 7}})
    assert stored_turns(bank) == [("Where?", '{"city": "Bergen", "at": 7}')]


def test_copies_share_the_bank(talked):
    memory = copy.deepcopy(memory_of(talked))
    assert memory.bank is memory.model_copy(deep=True).bank is talked
    assert copy.deepcopy(memory.chat_memory).bank is talked
    for keeper in (memory, memory.chat_memory):
        with pytest.raises(TypeError, match=r"MemoryBank\.open"):
            pickle.dumps(keeper)


# The user of a run.


@pytest.mark.parametrize("way", WAYS)
def test_the_user_is_the_one_of_the_run(bank, way):
    memory = MemoryBankMemory(bank=bank)
    conversation = ConversationChain(llm=model_of(["Noted."]), memory=memory)
    chain = RunnableLambda(conversation.invoke, conversation.ainvoke)
    for user in (ALICE, 7, UUID(int=7)):
        WAYS[way](chain, {"input": f"I am {user}."}, {"configurable": {"user_id": user}})
        assert stored_turns(bank, str(user)) == [(f"I am {user}.", "Noted.")]
    with pytest.raises(ValueError, match="user_id is missing"):
        WAYS[way](chain, {"input": "Hello"})
    assert memory_of(bank, user_id=7).user_id == "7"
    by_key = MemoryBankMemory(bank=bank, user_id_key="member")
    chain = RunnablePassthrough() | RunnableLambda(lambda _: by_key.buffer)
    assert "I am 7." in chain.invoke({}, {"configurable": {"member": 7, "user_id": BOB}})


def test_recall_is_visible(talked):
    contexts, documents = [], []

    class Recalls(BaseCallbackHandler):
        def on_retriever_end(self, found, **kwargs):
            documents.extend(found)

    memory = memory_of(talked, on_recall=contexts.append)
    chain = ConversationChain(llm=model_of(["The cello."]), memory=memory)
    (RunnablePassthrough() | chain).invoke({"input": QUESTION}, {"callbacks": [Recalls()]})
    assert [document.id for document in documents] == list(contexts[0].ids)
    assert "cello" in documents[0].page_content


def test_a_model_that_fails_leaves_no_turn_and_the_retry_is_the_same_turn(talked):
    model = FailsOnce(responses=["The cello."])
    chain = ConversationChain(llm=model, memory=memory_of(talked, k=1))
    with pytest.raises(ConnectionError):
        chain.invoke({"input": QUESTION})
    assert stored_turns(talked) == list(TALK)
    chain.invoke({"input": QUESTION})
    assert stored_turns(talked) == [*TALK, (QUESTION, "The cello.")]
    assert recalls(talked)["My sister Nora plays the cello."] == 1


def test_without_an_input_there_is_what_is_known_and_said_last(talked):
    talked.summarize(user_id=ALICE)
    assert talked.summary(user_id=ALICE).text
    for inputs in ({}, {"input": ""}, {"input": " \n"}, {"history": "…", "stop": ["\n"]}):
        history = loaded(memory_of(talked), **inputs)
        assert history.startswith(OPENING)
        assert talked.summary(user_id=ALICE).text.splitlines()[0] in history
        assert history.endswith(LAST_TWO)
    assert set(recalls(talked).values()) == {0}


def test_nobody_is_known_yet(bank):
    assert loaded(memory_of(bank), input="Hello") == ""
    assert loaded(memory_of(bank, return_messages=True), input="Hello") == []
    memory_of(bank).save_context({"input": ""}, {"response": " "})
    assert stored_turns(bank) == []


def test_the_same_words_said_twice_are_two_turns(bank):
    memory = memory_of(bank)
    for _ in range(2):
        memory.save_context({"input": "ok"}, {"response": "ok"})
    asyncio.run(memory.asave_context({"input": "ok"}, {"response": "ok"}))
    assert stored_turns(bank) == [("ok", "ok")] * 3


def test_recalled_text_that_comes_back_is_not_kept(talked):
    memory = memory_of(talked)
    block = loaded(memory, input=QUESTION).partition(CLOSING)[0] + CLOSING
    memory.save_context({"input": f"Why this?\n{block}"}, {"response": f"{block}\nBecause."})
    assert stored_turns(talked)[-1] == ("Why this?", "Because.")


def test_messages_and_blocks_count_by_their_text(bank):
    blocks = [{"type": "text", "text": "He"}, {"type": "text", "text": "llo!"}]
    memory_of(bank).save_context({"input": HumanMessage("Hi")}, {"output": blocks})
    assert stored_turns(bank) == [("Hi", "Hello!")]


def test_budget_and_number_of_memories(talked):
    assert loaded(memory_of(talked, max_tokens=1), input=QUESTION) == LAST_TWO
    words = memory_of(talked, max_tokens=60, tokenizer=str.split)
    assert 0 < len(loaded(words, input=QUESTION).partition(CLOSING)[0].split()) < 60
    block = loaded(memory_of(talked, k=1), input=QUESTION).partition(CLOSING)[0]
    assert block.count("\n- ") == 1


def test_which_input_and_output_is_meant(bank):
    memory = memory_of(bank)
    two = {"question": "q", "context": "c"}
    for call in (memory.load_memory_variables, lambda inputs: memory.save_context(inputs, {})):
        with pytest.raises(ValueError, match="One input key expected"):
            call(two)
    with pytest.raises(ValueError, match=r"\['a', 'b'\].*output_key"):
        memory.save_context({"input": "q"}, {"a": "1", "b": "2"})
    memory.save_context({"input": "q1", "history": "…"}, {"output": "o", "steps": []})
    memory_of(bank, input_key="question", output_key="b").save_context(two, {"a": "1", "b": "2"})
    assert stored_turns(bank) == [("q1", "o"), ("q", "2")]
    with pytest.raises(KeyError, match="question"):
        loaded(memory_of(bank, input_key="question"), input="q")


@pytest.mark.parametrize(
    "wrong",
    [
        {"user_id": ""},
        {"session": ""},
        {"k": 0},
        {"recent": -1},
        {"max_tokens": 0},
        {"user": "a"},
        {"search_kwargs": {"k": 3}},
        {"chat_memory": 7},
        {"llm": 7},
        {"max_token_limit": 0},
    ],
    ids=str,
)
def test_an_argument_that_cannot_be_is_refused(bank, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        memory_of(bank, **wrong)


def test_a_session_has_its_own_latest_turns_and_recalls_from_all(talked):
    work = memory_of(talked, session="work", recent=4)
    work.save_context({"input": "The budget is due."}, {"response": "Noted."})
    history = loaded(work, input=QUESTION)
    assert "plays the cello" in history
    assert history.endswith(f"{CLOSING}\n\nHuman: The budget is due.\nAI: Noted.")
    assert stored_turns(talked, session="work") == [("The budget is due.", "Noted.")]


@pytest.mark.parametrize("clear", [MemoryBankMemory.clear, MemoryBankMemory.aclear])
def test_clear_erases_the_session_or_everything(talked, clear):
    def cleared(memory):
        done = clear(memory)
        return done if done is None else asyncio.run(done)

    work = memory_of(talked, session="work")
    work.save_context({"input": "The budget is due."}, {"response": "Noted."})
    talked.add([Turn("I play the cello, too.", "Oh!")], user_id=BOB)
    cleared(work)
    cleared(work)
    assert stored_turns(talked) == list(TALK)
    assert "budget" not in loaded(memory_of(talked), input="Is the budget due?")
    cleared(memory_of(talked))
    assert talked.search("cello", user_id=ALICE) == []
    assert loaded(memory_of(talked), input=QUESTION) == ""
    assert talked.users() == [BOB]


def test_users_and_threads_side_by_side(bank):
    def talk(number):
        user, canary = f"user{number // 2}", f"canary{number}"
        memory = memory_of(bank, user_id=user, session=canary)
        chain = ConversationChain(llm=model_of(["Noted."]), memory=memory)
        queries = [f"My secret number {turn} is {canary}." for turn in range(5)]
        return user, [chain.invoke({"input": query})["history"] for query in queries]

    with ThreadPoolExecutor(4) as pool:
        talks = list(pool.map(talk, range(4)))
    for number, (user, histories) in enumerate(talks):
        other = 3 - number // 2 * 2, 2 - number // 2 * 2
        assert not any(f"canary{n}" in history for n in other for history in histories)
        session = stored_turns(bank, user, session=f"canary{number}")
        assert session == [(f"My secret number {i} is canary{number}.", "Noted.") for i in range(5)]
        assert len(stored_turns(bank, user)) == 10


def test_one_memory_shared_by_threads(bank):
    memory = memory_of(bank)

    def take_turn(number):
        loaded(memory, input=f"What is fact {number}?")
        memory.save_context({"input": f"What is fact {number}?"}, {"response": f"It is {number}."})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take_turn, range(12)))
    assert sorted(stored_turns(bank)) == sorted(
        (f"What is fact {i}?", f"It is {i}.") for i in range(12)
    )


def test_an_error_of_the_bank_reaches_the_caller(tmp_path):
    bank = MemoryBank.open(tmp_path / "friend.db", embedder="hashing")
    chain = ConversationChain(llm=model_of(["Hi!"]), memory=memory_of(bank))
    bank.close()
    with pytest.raises(StoreClosedError):
        chain.invoke({"input": "Hello"})


def test_neither_importing_nor_using_it_warns(tmp_path):
    code = f"""
import warnings
from memorybank_core import MemoryBank
from memorybank_langchain.history import MemoryBankChatMessageHistory
from memorybank_langchain.history import MemoryBankChatMessageHistory
from memorybank_langchain.memory import MemoryBankMemory
warnings.simplefilter("error")  # again: LangChain sets filters of its own when it is imported
bank = MemoryBank.open({str(tmp_path / "friend.db")!r}, embedder="hashing")
MemoryBankMemory(bank=bank, user_id="a").save_context({{"input": "Hi"}}, {{"output": "Hello"}})
MemoryBankChatMessageHistory(bank=bank, user_id="a", session="s").add_user_message("Hi")
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("cleared_by", ["memory", "history"])
def test_clear_removes_what_was_said_in_an_outage(bank, cleared_by):
    mine = {"metadata": {"agent": "mine"}, "where": {"agent": "mine"}}
    memory, store = memory_of(bank, session="s", **mine), bank.store
    bank.store = UnreachableStore()
    for session, metadata in (("s", {"agent": "mine"}), ("s", {}), ("t", {"agent": "mine"})):
        chain = with_memory(RunnableLambda(lambda values: "Noted."), bank, metadata=metadata)
        config = {"configurable": {"user_id": ALICE, "thread_id": session}}
        chain.invoke(f"My PIN is {session} {metadata}.", config)
    bank.store = store
    (memory if cleared_by == "memory" else memory.chat_memory).clear()
    bank.backlog.close()
    kept = {("My PIN is s {}.", "Noted."), ("My PIN is t {'agent': 'mine'}.", "Noted.")}
    assert set(stored_turns(bank)) == kept


def test_messages_and_content_blocks_count_by_their_text(bank):
    memory = memory_of(bank)
    said = HumanMessage("I have a cat called Tom.")
    blocks = [{"type": "text", "text": "Look at this"}, {"type": "file", "base64": "QUJD"}]
    answer = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Nice!"}]
    for value in ([HumanMessage("Hi"), AIMessage("Hello!"), said, said], [said], blocks):
        loaded(memory, input=value)
        memory.save_context({"input": value}, {"output": answer})
    queries = [f"{said.text}\n{said.text}", said.text, "Look at this"]
    assert stored_turns(bank) == [(query, "Nice!") for query in queries]


def test_archived_turns_are_part_of_the_conversation(talked):
    memory = memory_of(talked)
    before = memory.buffer, loaded(memory)
    ids = [item.id for item in talked.timeline(user_id=ALICE)]
    assert talked.archive(ids, user_id=ALICE) == len(TALK)
    assert (memory.buffer, loaded(memory)) == before
    assert LAST_TWO in before[1]
