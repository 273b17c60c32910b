"""The tools remember, recall and forget, as a LlamaIndex agent calls them."""

import asyncio
import json
from datetime import datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

import llama_index_instrumentation as instrumentation
from llama_index.core.agent.workflow import FunctionAgent, ReActAgent, ToolCallResult
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms import MockLLM
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.tools import ToolMetadata
from llama_index.core.tools.calling import acall_tool, call_tool
from llama_index.core.workflow import Context
from llama_index_instrumentation.event_handlers import BaseEventHandler

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_core.context import without_recalled
from memorybank_core.tools import ARGUMENTS, WORDING
from memorybank_llamaindex import events
from memorybank_llamaindex.tools import MemoryBankToolSpec

pytestmark = pytest.mark.filterwarnings(  # LlamaIndex's, about itself
    "ignore::pydantic.warnings.PydanticDeprecationWarning",
    "ignore:is_running called:DeprecationWarning",
)
ALICE, BOB = "alice@example.com", "bob@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
TALK = [
    Turn("My sister Nora plays the cello.", "How lovely!", MONDAY, id="cello", user_name="Imogen"),
    Turn("I had tomato soup for lunch.", "Sounds warming.", MONDAY + timedelta(1), id="soup"),
]
EXAMPLES = {
    "remember": {"text": "Nora turned thirty."},
    "recall": {"query": "Who plays the cello?"},
    "forget": {"id": "cello"},
}


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add(TALK, user_id=ALICE)
        bank.add([Turn("Bob's cello is called Otto.", "", MONDAY, id="otto")], user_id=BOB)
        yield bank


def named(bank, **options):
    tools = MemoryBankToolSpec(bank, **options).to_tool_list()
    return {tool.metadata.name: tool for tool in tools}


def memories_in(answer):
    """Return the memories in an answer of `recall`."""
    return [json.loads(line) for line in str(answer).splitlines() if line.startswith("{")]


def agent(tools, *calls):
    """Return an agent whose model makes these calls and then ends."""

    def answer(messages, **kwargs):
        if any(message.role == MessageRole.TOOL for message in messages):
            return ChatMessage("Done.", role="assistant")
        blocks = [
            ToolCallBlock(tool_call_id=f"call-{at}", tool_name=name, tool_kwargs=arguments)
            for at, (name, arguments) in enumerate(calls)
        ]
        return ChatMessage(role="assistant", blocks=blocks)

    model = MockFunctionCallingLLM(response_generator=answer)
    return FunctionAgent(tools=tools, llm=model, streaming=False)


async def outputs(graph, user_id=None):
    """Return the outputs of the tools in a run, by name."""
    ctx = Context(graph)
    if user_id is not None:
        await ctx.store.set("user_id", user_id)
    handler = graph.run("Do as you think best.", ctx=ctx)
    called = [event async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    await handler
    return {event.tool_name: event.tool_output for event in called}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("user_id", [ALICE, None])
def test_the_model_is_shown_one_argument_each_and_never_whose_memory(tmp_path, language, user_id):
    with MemoryBank.open(tmp_path / "a.db", embedder="hashing", language=language) as bank:
        tools = named(bank, user_id=user_id)
    shown = [tool.metadata.to_openai_tool()["function"] for tool in tools.values()]
    assert {tool["name"]: list(tool["parameters"]["properties"]) for tool in shown} == {
        name: [argument] for name, argument in ARGUMENTS.items()
    }
    for tool in shown:
        argument = ARGUMENTS[tool["name"]]
        assert tool["description"] == WORDING[language][tool["name"]]
        description = tool["parameters"]["properties"][argument]["description"]
        assert description == WORDING[language][argument]
    assert "user_id" not in json.dumps(shown)
    assert "ctx" not in json.dumps(shown)


def test_some_tools_and_words_of_ones_own(bank):
    spec = MemoryBankToolSpec(bank, user_id=ALICE)
    (recall,) = spec.to_tool_list(["recall"], {"recall": ToolMetadata("Look it up.", "look_up")})
    assert recall.metadata.name == "look_up"
    assert memories_in(recall("cello"))[0]["id"] == "cello"
    assert len(asyncio.run(spec.to_tool_list_async())) == 3


def test_what_is_remembered_is_a_turn_once_a_day(bank):
    tool = named(bank, user_id=ALICE, session="talk-1")["remember"]
    first = str(tool(text=" Nora turned thirty. "))
    assert str(asyncio.run(tool.acall(text="Nora turned thirty."))) == first
    *_, last = bank.timeline(user_id=ALICE)
    assert len(bank.timeline(user_id=ALICE)) == 3
    assert (last.turn.query, last.turn.response) == ("Nora turned thirty.", "")
    assert (last.day, last.session) == (datetime.now(timezone.utc).date(), "talk-1")
    assert first == f"Remembered with the id {last.id}."


def test_recall_quotes_memories_as_data_and_strengthens_them(bank):
    answer = str(named(bank, user_id=ALICE)["recall"](query="Who plays the cello?"))
    assert memories_in(answer)[0] == {
        "id": "cello",
        "day": "2024-03-04",
        "said": ["Imogen: My sister Nora plays the cello.", "AI: How lovely!"],
    }
    assert not without_recalled(answer).strip()
    recalls = {memory.id: memory.recalls for memory in bank.timeline(user_id=ALICE)}
    assert recalls["cello"] == 1
    assert "otto" not in answer.lower()
    assert "already" in str(named(bank, user_id=ALICE)["remember"](text=answer))


def test_recall_keeps_within_its_room_and_its_number(bank):
    assert len(memories_in(named(bank, user_id=ALICE, k=1)["recall"]("cello"))) == 1
    assert "lack of space" in str(named(bank, user_id=ALICE, max_tokens=45)["recall"]("cello"))


def test_forget_erases_one_memory_of_this_user_for_good(bank):
    forget = named(bank, user_id=ALICE)["forget"]
    assert str(forget(id="cello")) == "Erased for good: cello."
    assert [memory.id for memory in bank.timeline(user_id=ALICE, archived=True)] == ["soup"]
    assert "no memory" in str(forget(id="cello"))
    assert "no memory" in str(asyncio.run(forget.acall(id="otto")))
    assert [memory.id for memory in bank.timeline(user_id=BOB)] == ["otto"]


# In an agent.


def test_two_users_at_once_through_one_agent(bank):
    graph = agent(MemoryBankToolSpec(bank).to_tool_list(), ("recall", {"query": "secret"}))
    for user, canary in ((ALICE, "canary-a"), (BOB, "canary-b")):
        bank.add([Turn(f"My cello secret is {canary}.", "", MONDAY)], user_id=user)

    async def both():
        return await asyncio.gather(*(outputs(graph, user) for user in [ALICE, BOB] * 5))

    texts = [str(answers["recall"]) for answers in asyncio.run(both())]
    assert all("canary-a" in text and "canary-b" not in text for text in texts[::2])
    assert all("canary-b" in text and "canary-a" not in text for text in texts[1::2])


def test_each_tool_works_for_the_user_of_the_run(bank):
    results = asyncio.run(
        outputs(agent(MemoryBankToolSpec(bank).to_tool_list(), *EXAMPLES.items()), ALICE)
    )
    assert memories_in(results["recall"])
    assert str(results["remember"]).startswith("Remembered")
    assert str(results["forget"]) == "Erased for good: cello."
    assert [memory.text for memory in bank.timeline(user_id=BOB)] == ["Bob's cello is called Otto."]


def test_a_context_at_hand_will_do_without_a_run(bank):
    ctx = Context(agent([]))
    asyncio.run(ctx.store.set("user_id", BOB))
    assert memories_in(named(bank)["recall"](query="cello", ctx=ctx))[0]["id"] == "otto"
    answer = asyncio.run(named(bank)["recall"].acall("cello", ctx=ctx))
    assert [memory["id"] for memory in memories_in(answer)] == ["otto"]


def test_a_user_who_is_fixed_stays_in_an_agent(bank):
    tools = MemoryBankToolSpec(bank, user_id=ALICE).to_tool_list()
    results = asyncio.run(outputs(agent(tools, ("recall", {"query": "cello"})), BOB))
    assert memories_in(results["recall"])[0]["id"] == "cello"


def test_the_models_own_arguments_say_nothing_of_the_user(bank):
    forged = {"query": "cello", "user_id": BOB, "ctx": {"store": {"user_id": BOB}}, "act": BOB}
    for options in ({"user_id": ALICE}, {}):
        tools = MemoryBankToolSpec(bank, **options).to_tool_list()
        answers = asyncio.run(outputs(agent(tools, ("recall", forged)), ALICE))
        assert memories_in(answers["recall"])[0]["id"] == "cello"
        assert "otto" not in str(answers["recall"])
    recall = named(bank)["recall"]
    for answer in (call_tool(recall, forged), asyncio.run(acall_tool(recall, forged))):
        assert answer.is_error
        assert "user_id is missing" in str(answer)


@pytest.mark.parametrize("user_id", [None, "", 7.5])
@pytest.mark.parametrize("call", EXAMPLES.items())
def test_without_a_user_the_tools_refuse(bank, user_id, call):
    graph = agent(MemoryBankToolSpec(bank).to_tool_list(), call)
    (output,) = asyncio.run(outputs(graph, user_id)).values()
    assert output.is_error
    assert isinstance(output.exception, InvalidInputError)
    assert "user_id" in str(output)
    name, arguments = call
    with pytest.raises(ValueError, match="Context is required"):
        named(bank)[name](**arguments)
    assert bank.stats().memories == 3
    assert {memory.recalls for memory in bank.timeline(user_id=ALICE)} == {0}


def test_an_empty_argument_is_the_models_to_correct(bank):
    tools = MemoryBankToolSpec(bank, user_id=ALICE).to_tool_list()
    for arguments in ({"text": " "}, {}):
        answers = asyncio.run(outputs(agent(tools, ("remember", arguments))))
        assert answers["remember"].is_error
    assert "Field required" in str(answers["remember"])
    assert bank.stats(user_id=ALICE).memories == 2


def test_an_agent_that_reasons_in_text_calls_them_too(bank):
    look = 'Thought: I look.\nAction: recall\nAction Input: {"query": "Who plays the cello?"}'
    answers = iter([look, "Thought: I know.\nAnswer: Nora."])

    class Reasoning(MockLLM):
        def _generate_text(self, length):
            return next(answers)

    tools = MemoryBankToolSpec(bank, user_id=ALICE).to_tool_list()
    results = asyncio.run(outputs(ReActAgent(tools=tools, llm=Reasoning(max_tokens=1))))
    assert memories_in(results["recall"])[0]["id"] == "cello"


def test_what_cannot_be_is_refused_at_once(bank):
    with pytest.raises(InvalidInputError, match="user_id"):
        MemoryBankToolSpec(bank, user_id="")
    with pytest.raises(InvalidInputError, match="k must be"):
        MemoryBankToolSpec(bank, k=0)
    with pytest.raises(InvalidInputError, match="max_tokens"):
        MemoryBankToolSpec(bank, max_tokens=0)


def test_observers_see_what_the_tools_did(bank):
    class Heard(BaseEventHandler):
        kept: list = Field(default_factory=list)

        def handle(self, event, **kwargs):
            if isinstance(event, events.MemoryEvent):
                self.kept.append((event.class_name(), event.user_id, event.ids))

    dispatcher = instrumentation.get_dispatcher()
    handlers, heard = dispatcher.event_handlers, Heard()
    dispatcher.event_handlers = [*handlers, heard]
    try:
        tools = named(bank, user_id=ALICE, k=1)
        asyncio.run(tools["recall"].acall(query="cello"))
        tools["forget"](id="cello")
        tools["forget"](id="cello")
        tools["remember"](text="Nora turned thirty.")
    finally:
        dispatcher.event_handlers = handlers
    *_, last = bank.timeline(user_id=ALICE)
    assert heard.kept == [
        ("MemoryRecalled", ALICE, ("cello",)),
        ("MemoryReinforced", ALICE, ("cello",)),
        ("MemoryErased", ALICE, ("cello",)),
        ("MemoryStored", ALICE, (last.id,)),
    ]
