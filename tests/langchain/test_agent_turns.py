"""Turns of agents as applications run them: threads, retries, streams, subagents, limits."""

import asyncio
import copy
import json
import pickle
import sys
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed")

from agent_examples import (
    ALICE,
    BOB,
    EventRecorder,
    Scripted,
    User,
    agent_of,
    looks_up,
    recalled,
    says,
    thread,
    turns,
    weather,
)
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    ModelCallLimitMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from pydantic import BaseModel
from unreachable_store import UnreachableStore

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_core.context import OPENING
from memorybank_langchain.middleware import MemoryBankMiddleware
from memorybank_langchain.retriever import MemoryBankRetriever
from memorybank_langchain.tools import memory_tools

A, B = User(ALICE), User(BOB)
MARCH = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
CELLO = Turn("My sister Nora plays the cello.", "How lovely!", MARCH, id="cello")
ASKS = "Which instrument does my sister Nora play?"


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add([CELLO], user_id=ALICE)
        yield bank


def new_turns(bank):
    return turns(bank)[1:]


# --- What the thread shows -----------------------------------------------------------------


def test_turns_of_the_thread_are_not_recalled(bank):
    old = Turn("Nora's cello teacher is called Otto.", "Noted.", datetime.now(timezone.utc))
    bank.add([Turn(old.query, old.response, old.at - timedelta(weeks=3))], user_id=ALICE)
    model = Scripted()
    memory = MemoryBankMiddleware(bank, k=3)
    agent = agent_of(bank, model, memory=memory, checkpointer=InMemorySaver())
    talk = [f"Nora's cello teacher is called Otto, as {name} said." for name in "ABCDEF"]
    for words in [*talk, "How is Nora's cello teacher called?"]:
        agent.invoke(says(words), thread(), context=A)
    assert old.query in recalled(model.prompts[-1])
    assert "said" not in recalled(model.prompts[-1])
    agent.invoke(says("How is Nora's cello teacher called?"), thread("another"), context=A)
    assert "said" in recalled(model.prompts[-1])


def test_several_messages_of_one_run_are_one_turn(bank):
    model = Scripted(script=["I see."])
    words = ["My cat is called Pepper.", ASKS]
    agent_of(bank, model).invoke({"messages": [("user", text) for text in words]}, context=A)
    assert new_turns(bank) == [("\n".join(words), "I see.")]
    assert "plays the cello" in recalled(model.prompts[-1])


def test_a_message_after_a_failure_joins_the_turn(bank):
    model = Scripted(script=[ConnectionError("down"), "I see."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    with pytest.raises(ConnectionError):
        agent.invoke(says("My cat is called Pepper."), thread(), context=A)
    agent.invoke(says(ASKS), thread(), context=A)
    assert new_turns(bank) == [(f"My cat is called Pepper.\n{ASKS}", "I see.")]


# --- Once and only once --------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, thread()])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
@pytest.mark.parametrize("is_async", [False, True])
def test_retries_of_the_whole_agent_keep_one_turn(bank, config, saver, is_async):
    if saver and not config:
        return  # a checkpointer needs a thread
    model = Scripted(script=["Hello.", ConnectionError("down"), ConnectionError("down"), "Cello."])
    agent = agent_of(bank, model, checkpointer=saver and saver())
    retrying = agent.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)
    for words in ("Hi there!", ASKS):
        input = {"messages": [("user", words)]}  # has another id at each attempt
        if is_async:
            asyncio.run(retrying.ainvoke(input, config, context=A))
        else:
            retrying.invoke(input, config, context=A)
    assert new_turns(bank) == [("Hi there!", "Hello."), (ASKS, "Cello.")]
    assert len(bank.recalls("cello", user_id=ALICE)) == 1


def test_a_retry_after_a_tool_that_failed_keeps_one_turn(bank):
    @tool
    def weather(city: str) -> str:
        """The weather in a city."""
        raise OSError("no signal")

    model = Scripted(script=["Hello.", looks_up("Oslo"), "It rains."])
    agent = agent_of(bank, model, tools=[weather], checkpointer=InMemorySaver())
    agent.invoke(says("Hi there!"), thread(), context=A)
    retrying = agent.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    retrying.invoke({"messages": [("user", "How is the weather?")]}, thread(), context=A)
    assert new_turns(bank) == [("Hi there!", "Hello."), ("How is the weather?", "It rains.")]


def test_a_message_edited_by_its_id_replaces_the_stored_one(bank):
    agent = agent_of(bank)
    agent.invoke(says("Call me Anna.", id="m1"), context=A)
    agent.invoke(says("Call me Ann.", id="m1"), context=A)
    assert new_turns(bank) == [("Call me Ann.", "I heard: Call me Ann.")]


def test_a_checkpoint_of_an_earlier_version_goes_on(bank):
    saver = InMemorySaver()
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    agent = agent_of(bank, model, checkpointer=saver, interrupt_before=["tools"])
    agent.invoke(says(ASKS, id="m1"), thread(), context=A)
    stored = bank.timeline(user_id=ALICE)[-1]
    flat = {
        "id": stored.id, "user_id": ALICE, "session": "talk", "message": "m1", "query": ASKS,
        "response": "", "at": stored.created_at.isoformat(), "block": "", "ids": ["cello"],
    }  # fmt: skip
    agent.update_state(thread(), {"memorybank": flat}, as_node="model")
    agent.invoke(None, thread(), context=A)
    assert new_turns(bank) == [(ASKS, "The cello.")]
    assert len(bank.recalls("cello", user_id=ALICE)) == 1
    agent.update_state(thread(), {"memorybank": {**flat, "response": "The cello."}})
    agent.invoke(says("Thank you!"), thread(), context=A)
    assert new_turns(bank) == [(ASKS, "The cello."), ("Thank you!", "I heard: Thank you!")]


# --- Several memories, and whose -----------------------------------------------------------


def test_an_agent_can_have_two_memories(bank, tmp_path):
    with MemoryBank.open(tmp_path / "team.db", embedder="hashing") as team:
        team.add([Turn("Our team plays the cello on Fridays.", "", MARCH)], user_id="crew")
        model = Scripted(script=[looks_up("Oslo"), "The cello."])
        memories = [
            MemoryBankMiddleware(bank),
            MemoryBankMiddleware(team, name="team", user_id_key="team_id"),
        ]
        agent = create_agent(model, [weather], middleware=memories, checkpointer=InMemorySaver())
        whose = {"user_id": ALICE, "team_id": "crew"}
        agent.invoke(says(ASKS), thread(), context=whose)
        for prompt in model.prompts:
            assert "My sister Nora" in prompt[0].text
            assert "Our team plays" in prompt[0].text
        assert turns(bank)[1:] == turns(team, "crew")[1:] == [(ASKS, "The cello.")]
        state = agent.get_state(thread()).values
        assert {"memorybank", "memorybank_team"} <= state.keys()


def test_two_users_of_one_bank(bank):
    memories = [
        MemoryBankMiddleware(bank),
        MemoryBankMiddleware(bank, name="team", user_id_key="team_id"),
    ]
    agent = create_agent(Scripted(), middleware=memories)
    agent.invoke(says("We meet on Friday."), context={"user_id": ALICE, "team_id": "crew"})
    assert (
        turns(bank)[1:]
        == turns(bank, "crew")
        == [("We meet on Friday.", "I heard: We meet on Friday.")]
    )
    with pytest.raises(InvalidInputError, match="name"):
        MemoryBankMiddleware(bank, name=" ")


def test_two_scopes_of_one_user_have_their_own_turns(bank):
    scopes = [{"agent": "coder"}, {"agent": "friend"}]
    memories = [
        MemoryBankMiddleware(bank, name=scope["agent"], metadata=scope, where=scope)
        for scope in scopes
    ]
    agent = create_agent(Scripted(), middleware=memories, checkpointer=InMemorySaver())
    for words in ("We meet on Friday.", "ok"):
        agent.invoke(says(words), thread(), context={"user_id": ALICE})
    for scope in scopes:
        stored = [memory.turn.query for memory in bank.timeline(user_id=ALICE, where=scope)]
        assert stored == ["We meet on Friday.", "ok"]


@pytest.mark.parametrize("is_async", [False, True])
def test_no_tool_runs_in_a_run_that_another_user_resumes(bank, is_async):
    if is_async and sys.version_info < (3, 11):
        pytest.skip("langgraph does not pass the run to asynchronous nodes on Python 3.10")
    cities = []

    @tool
    def weather(city: str) -> str:
        """The weather in a city."""
        cities.append(city)
        return "Rain."

    model = Scripted(script=[looks_up("Oslo"), "It rains."])
    approval = HumanInTheLoopMiddleware(interrupt_on={"weather": True})
    agent = agent_of(bank, model, approval, tools=[weather], checkpointer=InMemorySaver())
    agent.invoke(says("How is the weather?"), thread(), context=A)
    approve = Command(resume={"decisions": [{"type": "approve"}]})

    def resume(context):
        if is_async:
            return asyncio.run(agent.ainvoke(approve, thread(), context=context))
        return agent.invoke(approve, thread(), context=context)

    with pytest.raises(InvalidInputError, match="resume it for the user who began it"):
        resume(B)
    assert cities == []
    resume(A)
    assert cities == ["Oslo"]
    assert new_turns(bank) == [("How is the weather?", "It rains.")]


# --- Streams and states ----------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_the_published_example_of_streaming_updates_works(bank, is_async):
    model = Scripted(script=[looks_up("Oslo"), "It rains.", "Bye."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())

    def stream(words):
        options = {"context": A, "stream_mode": "updates"}
        if not is_async:
            return list(agent.stream(says(words), thread(), **options))

        async def read():
            return [chunk async for chunk in agent.astream(says(words), thread(), **options)]

        return asyncio.run(read())

    chunks = [*stream("How is the weather?"), *stream("Goodbye!")]
    texts = [data["messages"][-1].text for chunk in chunks for data in chunk.values()]
    assert [text for text in texts if text] == [
        "How is the weather?", "Rain in Oslo.", "It rains.", "It rains.",
        "Goodbye!", "Bye.", "Bye.",
    ]  # fmt: skip
    assert len(agent.get_state(thread()).values["messages"]) == 6


def test_streamed_tokens_are_those_of_the_agent_without_a_memory(bank):
    options = {"context": A, "stream_mode": "messages"}
    plain = create_agent(Scripted(script=["It rains a lot."]), context_schema=User)
    agent = agent_of(bank, Scripted(script=["It rains a lot."]))

    def tokens(agent):
        return [chunk.text for chunk, _ in agent.stream(says("How is it?"), **options)]

    assert tokens(agent) == tokens(plain)


@pytest.mark.parametrize("mode", ["values", "updates", "debug", "messages"])
def test_no_stream_and_no_checkpoint_has_the_recalled_text(bank, mode):
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    chunks = list(agent.stream(says(ASKS), thread(), context=A, stream_mode=mode))
    assert "plays the cello" in recalled(model.prompts[-1])
    history = list(agent.get_state_history(thread()))
    assert history
    for text in (str(chunks), str(history)):
        assert OPENING not in text
        assert "plays the cello" not in text
    json.dumps(history[0].values["memorybank"])


def test_a_memory_that_a_tool_deletes_is_not_in_the_next_prompt(bank):
    call = {"name": "forget", "args": {"id": "cello"}, "id": "1", "type": "tool_call"}
    model = Scripted(script=[AIMessage("", tool_calls=[call]), "Forgotten."])
    tools = memory_tools(bank, user_id=ALICE)
    agent_of(bank, model, tools=tools).invoke(says(ASKS), context=A)
    assert "plays the cello" in recalled(model.prompts[0])
    assert "plays the cello" not in str(model.prompts[1])


# --- What is not the companion's words -------------------------------------------------------


class Sky(BaseModel):
    """The weather."""

    sky: str


@pytest.mark.parametrize("options", [{}, {"tool_message_content": "Noted."}])
@pytest.mark.parametrize("schema", [Sky, {"title": "Sky", "type": "object"}])
def test_a_structured_response_is_stored_without_the_notice(bank, options, schema):
    call = {"name": "Sky", "args": {"sky": "blue"}, "id": "1"}
    model = Scripted(script=[AIMessage("", tool_calls=[call])])
    format = ToolStrategy(schema, **options)
    agent_of(bank, model, response_format=format).invoke(says("And tomorrow?"), context=A)
    assert new_turns(bank) == [("And tomorrow?", '{"sky": "blue"}')]


def limited_calls(limit):
    return ModelCallLimitMiddleware(run_limit=limit, exit_behavior="end")


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (limited_calls(1), "Let me look."),
        (ToolCallLimitMiddleware(run_limit=1, exit_behavior="end"), "Let me look."),
    ],
)
def test_a_notice_of_a_limit_is_not_stored(bank, limit, expected):
    looks = AIMessage("Let me look.", tool_calls=looks_up("Oslo").tool_calls)
    model = Scripted(script=[looks, looks_up("Oslo", "Bergen"), looks_up("Tromsø")])
    agent = agent_of(bank, model, limit)
    output = agent.invoke(says("How is the weather?"), context=A)
    assert "limit" in output["messages"][-1].text
    assert new_turns(bank) == [("How is the weather?", expected)]


def test_only_a_notice_leaves_the_message_without_an_answer(bank):
    agent = agent_of(bank, Scripted(script=[looks_up("Oslo")]), limited_calls(1))
    agent.invoke(says("How is the weather?"), context=A)
    assert new_turns(bank) == [("How is the weather?", "")]


def test_an_answer_that_a_middleware_redacts_is_stored_as_redacted(bank):
    redacting = PIIMiddleware("email", strategy="redact", apply_to_output=True)
    model = Scripted(script=["Write to nora@example.com."])
    agent = agent_of(bank, model, redacting, checkpointer=InMemorySaver())
    agent.invoke(says("Is it nora@example.com?"), thread(), context=A)
    assert new_turns(bank) == [("Is it [REDACTED_EMAIL]?", "Write to [REDACTED_EMAIL].")]
    assert "nora@" not in str(agent.get_state(thread()).values)


# --- Reading only, copies, arguments -----------------------------------------------------------


def test_a_memory_that_only_reads_writes_nothing(bank):
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    memory = MemoryBankMiddleware(bank, remember=False)
    agent_of(bank, model, memory=memory).invoke(says(ASKS), context=A)
    assert all("plays the cello" in recalled(prompt) for prompt in model.prompts)
    assert new_turns(bank) == []
    assert bank.recalls("cello", user_id=ALICE) == []


class Unpicklable:
    """A tokenizer that cannot be copied, such as one with a native object."""

    def __call__(self, text):
        return len(text)

    def __reduce__(self):
        raise TypeError("native")


def test_copies_share_the_bank(bank):
    memory = copy.deepcopy(MemoryBankMiddleware(bank, tokenizer=Unpicklable()))
    model = Scripted()
    agent_of(bank, model, memory=memory).invoke(says(ASKS), context=A)
    assert memory.bank is bank
    assert "plays the cello" in recalled(model.prompts[0])
    _, recall, _ = copy.deepcopy(memory_tools(bank, user_id=ALICE))
    assert "plays the cello" in recall.invoke({"query": ASKS})
    retriever = copy.deepcopy(MemoryBankRetriever(bank=bank, user_id=ALICE))
    assert retriever.bank is bank
    for surface in (memory, recall, retriever):
        with pytest.raises(TypeError, match=r"MemoryBank\.open"):
            pickle.dumps(surface)


def test_arguments_that_do_nothing_are_refused(bank):
    with pytest.raises(ValueError, match="search_kwargs"):
        MemoryBankRetriever(bank=bank, user_id=ALICE, search_kwargs={"k": 3})
    for function in (MemoryBankMiddleware, memory_tools):
        with pytest.raises(TypeError, match="search_kwargs"):
            function(bank, search_kwargs={"k": 3})


# --- What callbacks see ------------------------------------------------------------------------


class RetrieverRecorder(BaseCallbackHandler):
    """The runs of retrievers."""

    def __init__(self):
        self.runs = []

    def on_retriever_start(self, serialized, query, *, run_id, parent_run_id=None, **kwargs):
        assert parent_run_id
        self.runs.append([kwargs.get("name"), query])

    def on_retriever_end(self, documents, **kwargs):
        self.runs[-1].append([document.id for document in documents])

    def on_retriever_error(self, error, **kwargs):
        self.runs[-1].append(type(error).__name__)


def recall_call(query=ASKS):
    call = {"name": "recall", "args": {"query": query}, "id": "1", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


@pytest.mark.parametrize("is_async", [False, True])
def test_recalls_are_runs_of_a_retriever_in_traces(bank, is_async):
    recorder, contexts = RetrieverRecorder(), []
    model = Scripted(script=[recall_call(), "The cello."])
    tools = memory_tools(bank, on_recall=contexts.append)
    memory = MemoryBankMiddleware(bank, on_recall=contexts.append)
    agent = agent_of(bank, model, memory=memory, tools=tools)
    options = {"context": A, "config": {"callbacks": [recorder]}}
    if is_async:
        asyncio.run(agent.ainvoke(says(ASKS), **options))
    else:
        agent.invoke(says(ASKS), **options)
    assert recorder.runs == [["memorybank", ASKS, ["cello"]]] * 2
    assert [context.ids for context in contexts] == [("cello",)] * 2
    assert all("plays the cello" in context.text for context in contexts)


def test_a_retriever_reports_what_it_recalled(bank):
    contexts = []
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE, on_recall=contexts.append)
    [document] = retriever.invoke(ASKS)
    assert [context.ids for context in contexts] == [("cello",)]
    assert document.page_content in contexts[0].text


class Failing(BaseCallbackHandler):
    """Callbacks that fail, and whose failures stop the run."""

    raise_error = True

    def fail(self, *args, **kwargs):
        raise OSError("the collector is away")

    on_custom_event = on_retriever_start = on_retriever_end = on_retriever_error = fail


def fails(*args):
    raise OSError("no vocabulary")


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_callback_that_fails_does_not_stop_the_chat(bank, is_closed, caplog):
    if is_closed:
        bank.close()
    agent = agent_of(bank, memory=MemoryBankMiddleware(bank, on_recall=fails))
    output = agent.invoke(says(ASKS), {"callbacks": [Failing()]}, context=A)
    assert output["messages"][-1].text == f"I heard: {ASKS}"
    assert "the chat continues" in caplog.text


def test_a_tokenizer_that_fails_does_not_stop_the_chat(bank):
    recorder = EventRecorder()
    agent = agent_of(bank, memory=MemoryBankMiddleware(bank, tokenizer=fails))
    agent.invoke(says(ASKS), {"callbacks": [recorder]}, context=A)
    assert new_turns(bank) == [(ASKS, f"I heard: {ASKS}")]
    assert [data["doing"] for _, data in recorder.events] == ["recall"]
    assert "no vocabulary" in recorder.events[0][1]["error"]


def test_what_is_said_in_an_outage_is_stored_after_it(bank):
    agent = agent_of(bank, checkpointer=InMemorySaver())
    store, bank.store = bank.store, UnreachableStore()
    for words in ("I moved to Oslo.", "My cat is called Pepper."):
        output = agent.invoke(says(words), thread(), context=A)
        assert output["messages"][-1].text == f"I heard: {words}"
    assert bank.store.calls == 1
    bank.store = store
    bank.backlog._open_until = 0.0
    agent.invoke(says(ASKS), thread(), context=A)
    said = ["I moved to Oslo.", "My cat is called Pepper.", ASKS]
    assert new_turns(bank) == [(words, f"I heard: {words}") for words in said]


def test_an_agent_does_not_block_the_event_loop(bank):
    blockbuster = pytest.importorskip("blockbuster")
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())

    async def talk():
        with blockbuster.blockbuster_ctx("memorybank_core"):
            for words in (ASKS, "Thank you!"):
                await agent.ainvoke(says(words), thread(), context=A)

    asyncio.run(talk())
    assert len(new_turns(bank)) == 2
