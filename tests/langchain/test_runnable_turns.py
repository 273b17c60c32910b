"""One turn of a chain with memory: retries, failures, spans, histories, configs and copies."""

import asyncio
import copy
import pickle
import sqlite3
from datetime import datetime, timedelta, timezone
from uuid import UUID

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from blockbuster import blockbuster_ctx
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnablePassthrough
from langchain_examples import ALICE, BOB, WAYS, FailsOnce, model_of

from memorybank_core import MemoryBank, StoreUnavailableError, Turn
from memorybank_core.context import OPENING
from memorybank_core.turns import backlog
from memorybank_langchain.runnable import recalled, with_memory

PROMPT = ChatPromptTemplate([("system", "You are a friend.\n\n{memory}"), ("human", "{input}")])
ECHO = RunnableLambda(lambda shown: f"{shown['input']} <- {shown['memory']}")
QUESTION = "Which instrument does my sister Nora play?"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
CELLO = Turn("My sister Nora plays the cello.", "How lovely!", MONDAY, "cello")


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([CELLO], user_id=ALICE)
        yield bank


def of(user_id, **more):
    return {"configurable": {"user_id": user_id, **more}}


def stored_turns(bank, user_id=ALICE):
    turns = [memory.turn for memory in bank.timeline(user_id=user_id) if memory.id != "cello"]
    return [(turn.query, turn.response) for turn in turns]


class Events(BaseCallbackHandler):
    """Records recalls and failures of the memory."""

    def __init__(self):
        self.recalls, self.failures, self.parents = [], [], {}

    def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, **kwargs):
        self.parents[run_id] = kwargs["name"]

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, **kwargs):
        self.recalls.append((self.parents.get(parent_run_id), query))

    def on_retriever_end(self, documents, **kwargs):
        self.recalls.append([document.id for document in documents])

    def on_custom_event(self, name, data, **kwargs):
        self.failures.append((name, data["doing"], data["kind"], data["user_id"]))


# Retries.


@pytest.mark.parametrize("way", [way for way in WAYS if "stream" not in way])
def test_a_retry_of_the_whole_chain_is_one_turn(bank, way):
    chain = with_memory(PROMPT | FailsOnce(responses=["The cello."]), bank, user_id=ALICE)
    retrying = chain.with_retry(wait_exponential_jitter=False)
    assert WAYS[way](retrying, {"input": QUESTION}).text == "The cello."
    assert stored_turns(bank) == [(QUESTION, "The cello.")]
    assert len(bank.recalls("cello", user_id=ALICE)) == 1


def test_a_fallback_continues_the_turn(bank):
    def fail(values):
        raise ConnectionError("the model cannot be reached")

    broken = with_memory(RunnableLambda(fail), bank, user_id=ALICE)
    chain = broken.with_fallbacks([with_memory(ECHO, bank, user_id=ALICE)])
    assert chain.invoke("Hello?") == "Hello? <- "
    assert stored_turns(bank) == [("Hello?", "Hello? <- ")]


def test_the_latest_turns_of_a_retry_do_not_show_its_own_message(bank):
    seen = []

    def answer(values):
        seen.append([message.text for message in values["history"]])
        if len(seen) == 2:
            raise ConnectionError("the model cannot be reached")
        return "Hi!"

    chain = with_memory(
        RunnableLambda(answer), bank, user_id=ALICE, session="s", history_key="history", recent=1
    )
    for text in ("One.", "Two."):
        chain.with_retry(wait_exponential_jitter=False).invoke(text)
    assert seen == [[], ["One.", "Hi!"], ["One.", "Hi!"]]


# A memory that fails does not stop the chat.


def fail(*args):
    raise RuntimeError("out of order")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("options", "failure"),
    [
        ({"tokenizer": fail}, ("recall", "InvalidInputError")),
        ({"on_recall": fail}, ("call on_recall", "RuntimeError")),
    ],
)
def test_a_tokenizer_or_callback_that_fails(bank, way, options, failure):
    events = Events()
    chain = with_memory(PROMPT | model_of(["Hi!"]) | StrOutputParser(), bank, **options)
    config = of(ALICE) | {"callbacks": [events]}
    assert WAYS[way](chain, QUESTION, config) == "Hi!"
    assert stored_turns(bank) == [(QUESTION, "Hi!")]
    assert events.failures == [("memorybank_error", *failure, ALICE)]


@pytest.mark.parametrize("way", WAYS)
def test_a_database_that_fails(bank, way, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise StoreUnavailableError("the server is down")

    events = Events()
    config = of(ALICE) | {"callbacks": [events]}
    chain = with_memory(
        RunnableLambda(lambda values: f"{values['history']}"), bank, history_key="history"
    )
    with monkeypatch.context() as outage:
        for name in ("memories", "known", "candidates", "add", "strengthen", "digests"):
            outage.setattr(bank.store, name, fail)
        assert WAYS[way](chain, "I moved to Oslo.", config) == "[]"
        assert recalled(bank).invoke(QUESTION, config) == ""
    actions = [action for _, action, _, _ in events.failures]
    assert actions == [
        "read the latest turns",
        "recall",
        "store the user's message",
        "store the turn",
        "recall",
    ]
    assert "the chat continues: StoreUnavailableError: the server is down" in caplog.text
    bank.backlog._open_until = 0.0
    with_memory(ECHO, bank).invoke("Hello?", of(BOB))
    assert stored_turns(bank) == [("I moved to Oslo.", "[]")]


def test_a_locked_file_costs_a_short_wait(bank, monkeypatch):
    monkeypatch.setattr(backlog, "MAX_WAIT", 0.05)
    with sqlite3.connect(bank.store.path) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = with_memory(ECHO, bank, user_id=ALICE).invoke(QUESTION)
    assert "plays the cello" in answer


# Recall is visible.


@pytest.mark.parametrize("way", WAYS)
def test_callbacks_see_the_recall_within_the_run(bank, way):
    events, contexts = Events(), []
    chain = with_memory(PROMPT | model_of(["The cello."]), bank, on_recall=contexts.append)
    WAYS[way](chain, {"input": QUESTION}, of(ALICE) | {"callbacks": [events]})
    assert events.recalls == [("with_memory", QUESTION), ["cello"]]
    assert [context.ids for context in contexts] == [("cello",)]


def test_callbacks_see_the_recall_of_a_step(bank):
    events, contexts = Events(), []
    step = recalled(bank, user_id=ALICE, on_recall=contexts.append)
    assert OPENING in step.invoke(QUESTION, {"callbacks": [events]})
    assert events.recalls == [("recalled", QUESTION), ["cello"]]
    assert [context.ids for context in contexts] == [("cello",)]


def test_events_and_async_callbacks_see_the_recall(bank):
    class Recalls(AsyncCallbackHandler):
        documents = None

        async def on_retriever_end(self, documents, **kwargs):
            self.documents = documents

    chain, recalls = with_memory(PROMPT | model_of(["The cello."]), bank, user_id=ALICE), Recalls()

    async def run():
        config = {"callbacks": [recalls]}
        return [event async for event in chain.astream_events(QUESTION, config, version="v2")]

    ends = [event for event in asyncio.run(run()) if event["event"] == "on_retriever_end"]
    assert [document.id for document in ends[0]["data"]["output"]] == ["cello"]
    assert recalls.documents[0].page_content == CELLO.text
    assert recalls.documents[0].metadata["day"] == "2024-03-04"


# Streams that break off write in a thread.


@pytest.mark.parametrize("end", ["close", "cancel", "drop", "to the end"])
def test_an_async_stream_never_writes_on_the_event_loop(bank, end):
    async def speak(inputs):
        async for _ in inputs:
            yield "One "
            await asyncio.sleep(0 if end == "to the end" else 60)
            yield "two."

    async def listen():
        stream = with_memory(PROMPT | RunnableGenerator(speak), bank, user_id=ALICE).astream("Go!")
        if end == "cancel":
            task = asyncio.create_task(read_all(stream, begun := asyncio.Event()))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif end == "to the end":
            await read_all(stream, asyncio.Event())
        else:
            await anext(stream)
            if end == "close":
                await stream.aclose()

    async def read_all(stream, begun):
        async for _ in stream:
            begun.set()

    with blockbuster_ctx("memorybank_core"):
        asyncio.run(listen())
    expected = "One two." if end == "to the end" else "One "
    assert stored_turns(bank) == [("Go!", expected)]


# Messages in the input.


def test_what_the_input_shows_is_not_recalled(bank):
    bank.add([Turn("Nora bought a new bow.", "Nice.", MONDAY + timedelta(1), "bow")], user_id=ALICE)
    history = [HumanMessage("My sister Nora plays the cello."), AIMessage("How lovely!")]
    contexts = []
    chain = with_memory(ECHO, bank, user_id=ALICE, on_recall=contexts.append, min_relevance=0)
    question = "What about Nora and the bow?"
    chain.invoke({"input": question, "history": history})
    chain.invoke([*history, HumanMessage(question)])
    assert ["cello" in context.ids for context in contexts] == [False, False]
    assert all("bow" in context.ids for context in contexts)


def test_messages_sent_in_a_row_are_all_kept(bank):
    chain = with_memory(RunnableLambda(lambda _: "Noted."), bank, user_id=ALICE)
    chain.invoke([AIMessage("Yes?"), HumanMessage("I moved to Oslo."), HumanMessage("Today.")])
    assert stored_turns(bank) == [("I moved to Oslo.\nToday.", "Noted.")]


@pytest.mark.parametrize("k", [1, None])
@pytest.mark.parametrize(
    "answer", ["I am not sure.", "Hm, good question.", "Sure, I will look it up.", "我不确定。"]
)
def test_a_question_asked_on_eight_days_does_not_push_out_its_answer(bank, monkeypatch, answer, k):
    prompts = []
    model = RunnableLambda(lambda values: prompts.append(values["memory"]) or answer)
    chain = with_memory(model, bank, user_id=ALICE, k=k)
    for day in range(9):
        clock = MONDAY + timedelta(days=20 + day)
        monkeypatch.setattr("memorybank_core.bank.require_moment", lambda *_, clock=clock: clock)
        chain.invoke(QUESTION)
    assert len({memory.day for memory in bank.timeline(user_id=ALICE)}) == 10
    assert stored_turns(bank) == [(QUESTION, answer)] * 9
    assert all("My sister Nora plays the cello." in prompt for prompt in prompts)


# The user and the conversation of a call.


@pytest.mark.parametrize(
    ("user", "stored"), [(7, "7"), (UUID(int=7), str(UUID(int=7))), ("Ada", "Ada")]
)
def test_the_user_of_a_call_is_found_by_one_rule(bank, user, stored):
    for options, config in (
        ({"user_id": user}, of(BOB)),
        ({}, of(user)),
        ({"user_id_key": "member"}, {"configurable": {"member": user, "user_id": BOB}}),
    ):
        with_memory(ECHO, bank, **options).invoke(f"Hello {options}", config)
        recalled(bank, **options).invoke("Hello", config)
    assert bank.users() == sorted([ALICE, stored])
    assert len(stored_turns(bank, stored)) == 3


def test_the_user_is_found_in_the_context_of_a_graph(bank):
    graphs = pytest.importorskip("langgraph.graph", reason="langgraph is not installed")
    chain = with_memory(ECHO, bank)
    graph = graphs.StateGraph(dict, context_schema=dict)
    graph.add_node("talk", lambda state: {"answer": chain.invoke(state["question"])})
    compiled = graph.set_entry_point("talk").compile()
    compiled.invoke({"question": "Hello?"}, context={"user_id": BOB})
    assert stored_turns(bank, BOB) == [("Hello?", "Hello? <- ")]


def test_config_specs_name_what_a_call_reads(bank):
    specs = with_memory(ECHO, bank).config_specs
    assert [(spec.id, spec.annotation, spec.is_shared) for spec in specs] == [
        ("session_id", str, True),
        ("user_id", str, True),
    ]
    assert with_memory(ECHO, bank, user_id=ALICE, session="s").config_specs == []
    inner = with_memory(with_memory(ECHO, bank), bank, user_id_key="member")
    assert [spec.id for spec in inner.config_specs] == ["member", "session_id", "user_id"]
    schema = with_memory(ECHO, bank).get_config_jsonschema()
    assert set(schema["$defs"]["Configurable"]["properties"]) == {"session_id", "user_id"}


# Copies.


def test_copies_share_the_bank(bank):
    chain = RunnablePassthrough.assign(memory=recalled(bank)) | with_memory(ECHO, bank)
    chain = copy.deepcopy(chain)
    assert "cello" in chain.invoke({"input": QUESTION}, of(ALICE))
    assert stored_turns(bank)[-1] == (QUESTION, f"{QUESTION} <-")
    with pytest.raises(TypeError, match=r"MemoryBank\.open"):
        pickle.dumps(with_memory(PROMPT, bank))


@pytest.mark.parametrize("wrong", [{"k": 0}, {"max_tokens": 0}, {"tokenizer": 7}, {"where": 7}])
def test_wrong_arguments_are_refused_at_once(bank, wrong):
    for make in (recalled, lambda bank, **options: with_memory(ECHO, bank, **options)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make(bank, **wrong)
        with pytest.raises(TypeError, match="search_kwargs"):
            make(bank, search_kwargs={"k": 3})
