"""The middleware in real agents: each turn is stored once, recalled once, and kept private."""

import asyncio
import inspect
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed")
pytest.importorskip("langgraph.checkpoint.sqlite", reason="the SQLite checkpointer is missing")

from agent_examples import (
    ALICE,
    BOB,
    EventRecorder,
    Scripted,
    User,
    agent_of,
    humans,
    looks_up,
    now_at,
    plain,
    recalled,
    retry,
    says,
    thread,
    turns,
)
from langchain.agents import create_agent
from langchain.agents.middleware import (
    HumanInTheLoopMiddleware,
    PIIMiddleware,
    SummarizationMiddleware,
    before_agent,
)
from langchain.agents.structured_output import ToolStrategy
from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Turn
from memorybank_core.context import OPENING
from memorybank_langchain.middleware import MemoryBankMiddleware

A, B = User(ALICE), User(BOB)
MARCH = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
CELLO = Turn("My sister Nora plays the cello.", "How lovely!", MARCH, id="cello")
SOUP = Turn("I had tomato soup for lunch.", "Sounds warming.", MARCH, id="soup")
ASKS = "Which instrument does my sister Nora play?"


class Noting:
    """An embedder that records the queries."""

    def __init__(self):
        self.inner, self.questions = HashingEmbedder(), []
        self.name, self.dimension = self.inner.name, self.inner.dimension
        self.embed_documents = self.inner.embed_documents

    def embed_query(self, text):
        self.questions.append(text)
        return self.inner.embed_query(text)


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder=Noting()) as bank:
        yield bank


@pytest.fixture(params=["memory", "sqlite"])
def saver(request, tmp_path):
    if request.param == "memory":
        yield InMemorySaver()
    else:
        with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            yield saver


def approval():
    return HumanInTheLoopMiddleware(interrupt_on={"weather": True})


def approve(*kinds):
    return Command(resume={"decisions": [{"type": kind} for kind in kinds or ("approve",)]})


def started(agent, is_async):
    """Return `agent.invoke`, or a function that calls `ainvoke`."""
    if not is_async:
        return agent.invoke
    return lambda *args, **options: asyncio.run(agent.ainvoke(*args, **options))


# --- A conversation of ten turns, run in every way ------------------------------------------


def test_ten_turns_in_every_way_leave_ten_turns(bank, saver):
    model = Scripted()
    agent = agent_of(bank, model, approval(), retry(), checkpointer=saver)
    config, started_at = thread(), datetime.now(timezone.utc)
    run = lambda value: agent.invoke(value, config, context=A)  # noqa: E731

    run(says("My sister Nora plays the cello."))
    list(agent.stream(says("I had soup."), config, context=A, stream_mode="messages"))
    list(agent.stream(says("My cat is called Pepper."), config, context=A, stream_mode="updates"))
    model.script[:] = [looks_up("Oslo"), "Rain."]
    assert "__interrupt__" in run(says("How is the weather?"))
    run(approve())
    model.script[:] = [looks_up("Oslo", "Bergen"), "No idea."]
    run(says("And in Bergen?"))
    run(approve("reject", "approve"))
    model.script[:] = [ConnectionError("busy"), "Once more."]
    run(says("This model fails once."))
    model.script[:] = [ConnectionError("busy"), ConnectionError("still")]
    with pytest.raises(ConnectionError):
        run(says("This one fails twice."))
    run(None)
    run({"messages": [{"role": "user", "content": "ok"}]})
    run({"messages": [("user", "ok")]})
    agent.invoke(None, now_at(agent, config, "before_agent"), context=A)
    agent.invoke(None, now_at(agent, config, "model"), context=A)
    run(says("The train leaves on Friday."))

    assert turns(bank) == [
        ("My sister Nora plays the cello.", "I heard: My sister Nora plays the cello."),
        ("I had soup.", "I heard: I had soup."),
        ("My cat is called Pepper.", "I heard: My cat is called Pepper."),
        ("How is the weather?", "Rain."),
        ("And in Bergen?", "No idea."),
        ("This model fails once.", "Once more."),
        ("This one fails twice.", "I heard: This one fails twice."),
        ("ok", "I heard: ok"),
        ("ok", "I heard: ok"),
        ("The train leaves on Friday.", "I heard: The train leaves on Friday."),
    ]
    memories = bank.timeline(user_id=ALICE)
    times = [memory.created_at for memory in memories]
    assert started_at < times[0]
    assert times == sorted(set(times))
    assert times[-1] < datetime.now(timezone.utc)
    assert {memory.session for memory in memories} == {"talk"}
    agent.invoke(says(ASKS), thread("another day"), context=A)
    assert "plays the cello" in recalled(model.prompts[-1])


@pytest.mark.parametrize("way", ["ainvoke", "astream", "astream_events"])
def test_ten_turns_async(bank, tmp_path, way):
    aio = pytest.importorskip("langgraph.checkpoint.sqlite.aio")
    model = Scripted()

    async def talk():
        async with aio.AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            agent = agent_of(bank, model, approval(), retry(), checkpointer=saver)

            async def run(value, name="talk"):
                config = thread(name)
                if way == "ainvoke":
                    return await agent.ainvoke(value, config, context=A)
                more = {"version": "v2"} if way == "astream_events" else {"stream_mode": "messages"}
                stream = getattr(agent, way)(value, config, context=A, **more)
                return [part async for part in stream]

            for number in range(7):
                await run(says(f"Number {number} is on the list."))
            model.script[:] = [looks_up("Oslo"), "Rain."]
            await run(says("How is the weather?"))
            await run(approve())
            model.script[:] = [ConnectionError("busy"), "Once more."]
            await run(says("This model fails once."))
            await run(says("My sister Nora plays the cello."))
            history = [state async for state in agent.aget_state_history(thread())]
            model_next = next(state for state in history if state.next == ("model",))
            await agent.ainvoke(None, model_next.config, context=A)
            await run(says(ASKS), "another day")

    asyncio.run(talk())
    assert len(turns(bank)) == 11
    assert turns(bank)[7:9] == [
        ("How is the weather?", "Rain."),
        ("This model fails once.", "Once more."),
    ]
    assert "plays the cello" in recalled(model.prompts[-1])


# --- The prompt --------------------------------------------------------------------------------


def test_every_prompt_of_a_turn_has_the_same_block_and_one_recall(bank, saver):
    bank.add([CELLO, SOUP], user_id=ALICE)
    model = Scripted(script=[looks_up("Oslo"), looks_up("Bergen", "Tromsø"), "It rains."])
    agent = agent_of(bank, model, checkpointer=saver, system_prompt="Be kind.")
    agent.invoke(says(ASKS), thread(), context=A)
    assert [len(prompt) for prompt in model.prompts] == [2, 4, 7]
    blocks = {recalled(prompt) for prompt in model.prompts}
    assert len(blocks) == 1
    assert "plays the cello" in blocks.pop()
    assert all(prompt[0].text == "Be kind." for prompt in model.prompts)
    assert len(bank.embedder.questions) == 1
    memories = {memory.id: memory for memory in bank.timeline(user_id=ALICE)}
    assert (memories["cello"].recalls, memories["cello"].strength) == (1, 2.0)


def test_the_prompt_up_to_the_users_message_is_that_of_the_run_before(bank):
    model = Scripted()
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    bank.add([CELLO], user_id=ALICE)
    for words in ("I had soup.", ASKS):
        agent.invoke(says(words), thread(), context=A)
    *before, last = model.prompts[-1]
    assert [plain(message) for message in before] == [message.text for message in before]
    assert last.text.startswith(ASKS)
    assert recalled(model.prompts[-1])


def test_the_graph_never_holds_the_block_in_its_messages(bank, saver):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    agent = agent_of(bank, model, checkpointer=saver)
    input = says(ASKS)
    out = agent.invoke(input, thread(), context=A)
    tokens = list(agent.stream(says(ASKS), thread(), context=A, stream_mode="messages"))
    states = list(agent.stream(says(ASKS), thread(), context=A, stream_mode="values"))
    assert recalled(model.prompts[-1])
    assert set(out) == {"messages"}
    assert OPENING not in str((out, tokens, [state["messages"] for state in states], input))
    for state in agent.get_state_history(thread()):
        assert OPENING not in str(state.values.get("messages"))
        json.dumps(state.values.get("memorybank"))


def test_a_message_of_several_blocks_gets_one_more(bank):
    bank.add([CELLO], user_id=ALICE)
    model, picture = Scripted(), {"type": "image", "url": "https://example.com/nora.png"}
    content = [{"type": "text", "text": ASKS}, picture]
    agent_of(bank, model).invoke({"messages": [HumanMessage(content)]}, context=A)
    (message,) = model.prompts[-1]
    assert message.content[:2] == content
    assert len(message.content) == 3
    assert recalled(model.prompts[-1])
    assert turns(bank)[-1] == (ASKS, f"I heard: {ASKS}")


def test_what_says_nothing_asks_nothing(bank):
    bank.add([CELLO], user_id=ALICE)
    model, recorder = Scripted(script=["A cat!"]), EventRecorder()
    picture = HumanMessage([{"type": "image", "url": "https://example.com/cat.png"}])
    agent_of(bank, model).invoke({"messages": [picture]}, {"callbacks": [recorder]}, context=A)
    assert not recalled(model.prompts[-1])
    assert bank.embedder.questions == []
    assert turns(bank)[-1] == ("", "A cat!")
    assert recorder.events == []


def test_a_block_that_comes_back_is_no_memory(bank):
    bank.add([CELLO], user_id=ALICE)
    block = bank.context(ASKS, user_id=ALICE).text
    agent_of(bank, Scripted(script=[f"You said {block}"])).invoke(
        says(f"I like this:\n{block}"), context=A
    )
    assert turns(bank)[-1] == ("I like this:", "You said")
    assert bank.embedder.questions[-1] == "I like this:"


@pytest.mark.skipif(
    "trigger" not in inspect.signature(SummarizationMiddleware).parameters,
    reason="this langchain does not mark what it summarizes",
)
def test_a_trimmed_history_still_recalls(bank):
    bank.add([CELLO], user_id=ALICE)
    summing = SummarizationMiddleware(
        Scripted(script=["Long ago."]), trigger=("messages", 4), keep=("messages", 2)
    )
    model = Scripted(script=[looks_up("Oslo"), looks_up("Bergen"), "Rain in both."])
    agent = agent_of(bank, model, summing, checkpointer=InMemorySaver())
    agent.invoke(says(ASKS), thread(), context=A)
    assert "Long ago." in model.prompts[-1][0].text
    assert recalled(model.prompts[-1])
    assert turns(bank) == [
        ("My sister Nora plays the cello.", "How lovely!"),
        (ASKS, "Rain in both."),
    ]
    agent.invoke({"messages": [AIMessage("Oh, and:")]}, thread(), context=A)
    assert len(turns(bank)) == 2


# --- Once and only once -----------------------------------------------------------------------


def test_the_memory_keeps_the_users_message_if_the_model_fails(bank, saver):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=[ConnectionError("down")])
    agent = agent_of(bank, model, checkpointer=saver)
    with pytest.raises(ConnectionError):
        agent.invoke(says(ASKS), thread(), context=A)
    assert turns(bank)[1:] == [(ASKS, "")]
    (cello, question) = bank.timeline(user_id=ALICE)
    assert cello.recalls == 0
    agent.invoke({"messages": []}, thread(), context=A)
    assert turns(bank)[1:] == [(ASKS, f"I heard: {ASKS}")]
    (cello, again) = bank.timeline(user_id=ALICE)
    assert again.created_at == question.created_at
    assert cello.recalls == 1
    assert ASKS not in recalled(model.prompts[-1])


def test_any_checkpoint_can_be_replayed(bank, saver):
    model = Scripted()
    agent = agent_of(bank, model, checkpointer=saver)
    for words in ("My sister Nora plays the cello.", ASKS, "ok", "ok"):
        agent.invoke(says(words), thread(), context=A)
    before = bank.timeline(user_id=ALICE)
    history = [state for state in agent.get_state_history(thread()) if state.next]
    assert len(history) == 16
    for state in history[:-1]:
        count = len(model.prompts)
        model.script[:] = [f"After {count} prompts."]
        agent.invoke(None, state.config, context=A)
        for prompt in model.prompts[count:]:
            words = plain(humans(prompt)[-1])
            assert words == "ok" or words not in (recalled(prompt) or "")
    after = bank.timeline(user_id=ALICE)
    assert [memory.id for memory in after] == [memory.id for memory in before]
    assert [memory.created_at for memory in after] == [memory.created_at for memory in before]
    assert max(memory.recalls for memory in after) < len(after)
    assert all(memory.turn.response.startswith("After ") for memory in after)


def test_the_first_input_can_be_replayed_where_its_message_has_an_id(bank, saver):
    agent = agent_of(bank, checkpointer=saver)
    agent.invoke(says("Hello!", id="mine"), thread(), context=A)
    first = list(agent.get_state_history(thread()))[-1]
    assert first.next == ("__start__",)
    agent.invoke(None, first.config, context=A)
    assert turns(bank) == [("Hello!", "I heard: Hello!")]


def test_a_replay_without_an_answer_leaves_the_one_there_is(bank):
    model = Scripted(script=["Hello, you.", ConnectionError("down"), ""])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    agent.invoke(says("Hello!"), thread(), context=A)
    replayed = now_at(agent, thread(), "before_agent")
    with pytest.raises(ConnectionError):
        agent.invoke(None, replayed, context=A)
    agent.invoke(None, replayed, context=A)
    assert model.script == []
    assert turns(bank) == [("Hello!", "Hello, you.")]


@pytest.mark.parametrize("keep_id", [True, False])
def test_an_edited_message_replaces_the_stored_one_if_it_keeps_its_id(bank, saver, keep_id):
    agent = agent_of(bank, checkpointer=saver)
    agent.invoke(says("Hello!"), thread(), context=A)
    agent.invoke(says("I like tea."), thread(), context=A)
    fork = now_at(agent, thread(), "before_agent")
    message = agent.get_state(fork).values["messages"][-1]
    edit = [HumanMessage("I like coffee.", id=message.id if keep_id else "other")]
    config = agent.update_state(fork, {"messages": edit}, as_node="__start__")
    agent.invoke(None, config, context=A)
    assert turns(bank) == [
        ("Hello!", "I heard: Hello!"),
        *([] if keep_id else [("I like tea.", "I heard: I like tea.")]),
        ("I like coffee.", "I heard: I like coffee."),
    ]


def test_a_removed_answer_can_be_given_again(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=["The flute.", "The cello."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    out = agent.invoke(says(ASKS), thread(), context=A)
    agent.update_state(thread(), {"messages": [RemoveMessage(out["messages"][-1].id)]})
    agent.invoke({"messages": []}, thread(), context=A)
    assert turns(bank)[1:] == [(ASKS, "The cello.")]
    assert recalled(model.prompts[0]) == recalled(model.prompts[1])


def test_a_message_sent_again_with_other_words_replaces_the_stored_one(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=[ConnectionError("down")])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    with pytest.raises(ConnectionError):
        agent.invoke(says("Which instrument?", id="mine"), thread(), context=A)
    agent.invoke(says(ASKS, id="mine"), thread(), context=A)
    assert turns(bank)[1:] == [(ASKS, f"I heard: {ASKS}")]
    assert bank.embedder.questions == ["Which instrument?", ASKS]


def test_a_restart_between_interrupt_and_resume(tmp_path):
    def opened():
        return MemoryBank.open(tmp_path / "friend.db", embedder="hashing")

    def saved():
        return SqliteSaver.from_conn_string(str(tmp_path / "threads.db"))

    with opened() as bank, saved() as saver:
        bank.add([CELLO], user_id=ALICE)
        model = Scripted(script=[looks_up("Oslo")])
        agent = agent_of(bank, model, approval(), checkpointer=saver)
        agent.invoke(says(ASKS), thread(), context=A)
        block, before = recalled(model.prompts[-1]), bank.timeline(user_id=ALICE)
        assert turns(bank)[1:] == [(ASKS, "")]
    with opened() as bank, saved() as saver:
        model = Scripted(script=["The cello."])
        agent = agent_of(bank, model, approval(), checkpointer=saver)
        agent.invoke(approve(), thread(), context=A)
        assert recalled(model.prompts[-1]) == block
        assert turns(bank)[1:] == [(ASKS, "The cello.")]
        (cello, after) = bank.timeline(user_id=ALICE)
        assert after.created_at == before[-1].created_at
        assert cello.recalls == 1


@pytest.mark.parametrize("ids", [True, False])
def test_without_a_checkpointer_the_whole_talk_may_be_passed(bank, ids):
    agent, talk = agent_of(bank), []
    for number, words in enumerate(("ok", "ok", "Hello!")):
        talk = agent.invoke(
            {"messages": [*talk, HumanMessage(words, id=f"m{number}" if ids else None)]}, context=A
        )["messages"]
        if not ids:
            talk = [type(message)(message.content) for message in talk]
    assert turns(bank) == [(words, f"I heard: {words}") for words in ("ok", "ok", "Hello!")]


def test_a_tool_run_by_the_client_goes_on_with_the_turn(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=[looks_up("Oslo"), "The cello, and rain."])
    agent = agent_of(bank, model, checkpointer=InMemorySaver(), interrupt_before=["tools"])
    agent.invoke(says(ASKS), thread(), context=A)
    agent.invoke(
        {"messages": [ToolMessage("Rain.", tool_call_id="call-Oslo")]}, thread(), context=A
    )
    assert turns(bank)[1:] == [(ASKS, "The cello, and rain.")]
    assert recalled(model.prompts[0]) == recalled(model.prompts[1])
    assert len(bank.embedder.questions) == 1


def test_what_the_agent_says_by_itself_changes_no_turn(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=["The cello.", "Are you there?"])
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    agent.invoke(says(ASKS), thread(), context=A)
    agent.invoke({"messages": [SystemMessage("Say something.")]}, thread(), context=A)
    assert recalled(model.prompts[0])
    assert not recalled(model.prompts[1])
    assert turns(bank)[1:] == [(ASKS, "The cello.")]
    agent.invoke(says(ASKS), thread(), context=A)
    assert turns(bank)[2:] == [(ASKS, f"I heard: {ASKS}")]


def test_a_run_that_never_reaches_the_memory_changes_no_turn(bank):
    @before_agent(can_jump_to=["end"])
    def closed(state, runtime):
        if "shop" in state["messages"][-1].text:
            return {"messages": [AIMessage("We are closed.")], "jump_to": "end"}
        return None

    memory = MemoryBankMiddleware(bank)
    agent = create_agent(Scripted(), middleware=[closed, memory], checkpointer=InMemorySaver())
    for words in ("Hello!", "Is the shop open?", "Hello?"):
        agent.invoke(says(words), thread(), context={"user_id": ALICE})
    assert turns(bank) == [("Hello!", "I heard: Hello!"), ("Hello?", "I heard: Hello?")]


def test_nothing_is_kept_where_no_human_spoke(bank):
    agent = agent_of(bank, Scripted(script=["Good morning!"]))
    agent.invoke({"messages": [SystemMessage("Greet the user.")]}, context=A)
    assert turns(bank) == []


def test_a_redacted_message_is_kept_as_redacted(bank):
    redacting = PIIMiddleware("email", strategy="redact")
    agent = agent_of(bank, Scripted(), redacting, checkpointer=InMemorySaver())
    agent.invoke(says("Write to nora@example.com please."), thread(), context=A)
    ((query, _),) = turns(bank)
    assert query == "Write to [REDACTED_EMAIL] please."


@pytest.mark.parametrize("kind", ["direct", "structured"])
def test_the_result_of_a_tool_can_be_the_answer(bank, kind):
    @tool(return_direct=True)
    def forecast(city: str) -> str:
        """The weather to come."""
        return f"Sun in {city}."

    schema = {"title": "Report", "type": "object", "properties": {"sky": {"type": "string"}}}
    calls = {
        "direct": {"name": "forecast", "args": {"city": "Oslo"}, "id": "1"},
        "structured": {"name": "Report", "args": {"sky": "blue"}, "id": "1"},
    }
    model = Scripted(script=[AIMessage("", tool_calls=[calls[kind]])])
    more = {"response_format": ToolStrategy(schema)} if kind == "structured" else {}
    agent_of(bank, model, tools=[forecast], **more).invoke(says("And tomorrow?"), context=A)
    ((query, response),) = turns(bank)
    assert query == "And tomorrow?"
    assert ("Sun in Oslo." if kind == "direct" else "blue") in response


# --- The user ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run", [{}, {"context": User()}, {"context": User("  ")}, {"context": User(7.5)}]
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_without_a_user_is_refused(bank, run, is_async):
    model = Scripted()
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    input = says("I am user_id alice@example.com", additional_kwargs={"user_id": ALICE}, name=ALICE)
    with pytest.raises(InvalidInputError, match="user_id"):
        started(agent, is_async)(input, thread(), **run)
    assert model.prompts == []
    assert bank.users() == []
    assert bank.embedder.questions == []


def test_the_user_may_be_named_by_a_key_an_attribute_or_the_config(bank):
    agent_of(bank).invoke(says("By the schema"), context={"user_id": ALICE})
    agent_of(bank).invoke(says("By the config"), {"configurable": {"user_id": ALICE}})
    agent_of(bank).invoke(says("By both"), {"configurable": {"user_id": BOB}}, context=A)
    memory = MemoryBankMiddleware(bank, user_id_key="customer")
    free = create_agent(Scripted(), middleware=[memory])
    free.invoke(says("By a mapping"), context={"customer": ALICE})
    asyncio.run(free.ainvoke(says("By its key"), {"configurable": {"customer": ALICE}}))
    with pytest.raises(InvalidInputError, match="customer"):
        free.invoke(says("By another"), context={"user_id": ALICE})
    assert len(turns(bank)) == 5
    assert bank.users() == [ALICE]


def test_a_resume_goes_on_for_the_user_who_began_and_for_no_one_else(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted(script=[looks_up("Oslo"), "The cello."])
    agent = agent_of(bank, model, approval(), checkpointer=InMemorySaver())
    agent.invoke(says(ASKS), thread(), context=A)
    for whose in ({"context": B}, {"context": None, "config": {"user_id": BOB}}):
        config = {"configurable": {"thread_id": "talk", **whose.pop("config", {})}}
        with pytest.raises(InvalidInputError, match="resume"):
            agent.invoke(approve(), config, **whose)
    assert len(model.prompts) == 1
    agent.invoke(None, thread())
    assert turns(bank)[1:] == [(ASKS, "The cello.")]
    assert bank.users() == [ALICE]


def test_two_users_on_one_thread_stay_apart(bank):
    bank.add([CELLO], user_id=ALICE)
    model = Scripted()
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    agent.invoke(says(ASKS), thread(), context=A)
    agent.invoke(says(ASKS), thread(), context=B)
    assert "cello" not in str(model.prompts[-1])
    assert turns(bank, BOB) == [(ASKS, f"I heard: {ASKS}")]


def canaries(model):
    """Yield the canaries in each prompt, and its text."""
    for prompt in model.prompts:
        words = " ".join(message.text for message in prompt)
        yield {name for name in ("heron", "magpie") if name in words}, words


def prepared(bank):
    bank.add([Turn("My secret bird is the heron.", "Hush.", MARCH)], user_id=ALICE)
    bank.add([Turn("My secret bird is the magpie.", "Hush.", MARCH)], user_id=BOB)
    jobs = [(user, f"{user} thread {i % 2}", i) for i in range(12) for user in (ALICE, BOB)]
    model = Scripted()
    memory = MemoryBankMiddleware(bank, k=30, min_relevance=0.0)
    return model, agent_of(bank, model, memory=memory, checkpointer=InMemorySaver()), jobs


def no_canary_flew(bank, model):
    assert len(model.prompts) == 24
    for birds, words in canaries(model):
        assert birds == ({"heron"} if ALICE in words else {"magpie"})
    for user in (ALICE, BOB):
        assert len(turns(bank, user)) == 13
        assert all(user in query for query, _ in turns(bank, user)[1:])


def test_two_users_and_two_threads_at_once(bank):
    model, agent, jobs = prepared(bank)

    def run(job):
        user, name, i = job
        input = says(f"{user} asks {i}: what is my secret bird?")
        agent.invoke(input, thread(f"{name} {i}"), context=User(user))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, jobs))
    no_canary_flew(bank, model)


def test_two_users_and_two_threads_at_once_async(bank):
    model, agent, jobs = prepared(bank)

    async def run(user, name):
        for job_user, job_name, i in jobs:
            if (job_user, job_name) == (user, name):
                input = says(f"{user} asks {i}: what is my secret bird?")
                await agent.ainvoke(input, thread(name), context=User(user))

    async def talk():
        await asyncio.gather(*(run(*whose) for whose in sorted({job[:2] for job in jobs})))

    asyncio.run(talk())
    no_canary_flew(bank, model)


# --- A memory that fails ------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_the_chat_goes_on_if_the_memory_fails(bank, caplog, is_async):
    model, recorder = Scripted(script=[looks_up("Oslo"), "Rain."]), EventRecorder()
    agent = agent_of(bank, model, checkpointer=InMemorySaver())
    bank.close()
    config = thread(callbacks=[recorder])
    with caplog.at_level(logging.WARNING):
        out = started(agent, is_async)(says("Hello!"), config, context=A)
    assert out["messages"][-1].text == "Rain."
    doing = ["recall", "store the user's message", "store the turn"]
    assert [data["doing"] for _, data in recorder.events] == doing
    assert {name for name, _ in recorder.events} == {"memorybank_error"}
    assert {data["kind"] for _, data in recorder.events} == {"StoreClosedError"}
    assert [record.name for record in caplog.records] == ["memorybank.langchain.middleware"] * 3
    json.dumps(recorder.events)


def test_a_memory_that_comes_back_keeps_the_whole_turn(tmp_path):
    recorder = EventRecorder()
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing") as bank:
        model = Scripted(script=[looks_up("Oslo"), "Rain."])
        agent = agent_of(bank, model, approval(), checkpointer=InMemorySaver())
        memory = next(node for node in agent.nodes if "before_agent" in node)
        assert memory == "MemoryBankMiddleware.before_agent"
        store, bank.store = bank.store, None
        with MemoryBank.open(tmp_path / "b.db", embedder="hashing") as closed:
            closed.close()
            bank.store = closed.store
            agent.invoke(says("Hello!"), thread(callbacks=[recorder]), context=A)
        bank.store = store
        agent.invoke(approve(), thread(callbacks=[recorder]), context=A)
        assert turns(bank) == [("Hello!", "Rain.")]
        assert len(recorder.events) == 2


@pytest.mark.parametrize("wrong", [{"k": 0}, {"max_tokens": 0}, {"tokenizer": "gpt"}])
def test_what_cannot_be_is_refused_at_once(bank, wrong):
    with pytest.raises(InvalidInputError):
        MemoryBankMiddleware(bank, **wrong)


def test_k_and_the_budget_hold(bank):
    bank.add([CELLO, SOUP], user_id=ALICE)
    for options, count in (
        ({}, 2),
        ({"k": 1}, 1),
        ({"max_tokens": 1}, 0),
        ({"tokenizer": len, "max_tokens": 9}, 0),
    ):
        model = Scripted()
        agent = create_agent(model, middleware=[MemoryBankMiddleware(bank, **options)])
        agent.invoke(says("Nora, cello, soup, lunch?"), context={"user_id": BOB})
        bank.delete(user_id=BOB)
        bank.add([CELLO, SOUP], user_id=BOB)
        agent.invoke(says("Nora, cello, soup, lunch?"), context={"user_id": BOB})
        assert (recalled(model.prompts[-1]) or "").count("2024-03-04") == count


def test_eight_askings_without_an_answer_do_not_hide_the_fact(bank):
    bank.add([CELLO, SOUP], user_id=ALICE)
    model = Scripted(script=["I am not sure."] * 8)
    agent = agent_of(bank, model, memory=MemoryBankMiddleware(bank, k=1))
    for _ in range(9):
        agent.invoke(says(ASKS), context=A)
        assert CELLO.query in recalled(model.prompts[-1])
