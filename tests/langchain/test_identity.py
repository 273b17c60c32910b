"""Whose memory a run uses: one rule on every surface, and no client can name another user."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed")

from agent_examples import Scripted, weather
from langchain.agents import create_agent
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, MessagesState, StateGraph

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_langchain.middleware import MemoryBankMiddleware
from memorybank_langchain.retriever import MemoryBankRetriever
from memorybank_langchain.store import MemoryBankStore
from memorybank_langchain.tools import memory_tools

ALICE, BOB, CELLO = "alice@example.com", "bob@example.com", "Who plays the cello?"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
CUSTOMER = UUID("12345678-1234-5678-1234-567812345678")
FACTS = {
    ALICE: "My sister Nora plays the cello.",
    BOB: "My brother Otto plays the cello.",
    "7": "My aunt Seven plays the cello.",
    str(CUSTOMER): "My uncle Max plays the cello.",
}
INPUT = {"messages": [("user", CELLO)]}


@dataclass
class Context:
    """The context of a run, as applications write it."""

    user_id: Any = None
    customer: Any = None
    langgraph_auth_user_id: Any = None


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        for user_id, fact in FACTS.items():
            bank.add([Turn(fact, "Lovely!", MONDAY)], user_id=user_id)
        yield bank


def through_middleware(bank, run, **options):
    model = Scripted()
    memory = MemoryBankMiddleware(bank, **options)
    agent = create_agent(model, [weather], middleware=[memory], context_schema=Context)
    run(agent)
    return model.prompts[-1][-1].text


def through_tools(bank, run, **options):
    call = {"name": "recall", "args": {"query": CELLO}, "id": "1", "type": "tool_call"}
    model = Scripted(script=[AIMessage("", tool_calls=[call]), "Done."])
    tools = memory_tools(bank, **options)
    return run(create_agent(model, tools, context_schema=Context))["messages"][-2].text


def in_node(step, run):
    """Return what a chain finds inside a node of a graph."""
    graph = StateGraph(MessagesState, context_schema=Context)
    graph.add_node("chain", lambda state: {"messages": [AIMessage(step.invoke(CELLO))]})
    graph.add_edge(START, "chain")
    graph.add_edge("chain", END)
    return run(graph.compile())["messages"][-1].text


def through_retriever(bank, run, **options):
    retriever = MemoryBankRetriever(bank=bank, **options)
    join = RunnableLambda(lambda documents: "".join(each.page_content for each in documents))
    return in_node(retriever | join, run)


class StoreStep:
    """Reads the facts of the run's user in a store."""

    def __init__(self, bank, **options):
        shared = MemoryBankStore(bank)
        for user_id, fact in FACTS.items():
            shared.put((user_id, "facts"), "fact", {"text": fact})
        self.store = MemoryBankStore(bank, **{"user_id_key": "user_id", **options})

    def invoke(self, query):
        return "".join(item.value["text"] for item in self.store.search(("facts",), query=query))


def through_store(bank, run, **options):
    return in_node(StoreStep(bank, **options), run)


SURFACES = [through_middleware, through_tools, through_retriever, through_store]
NEED_THE_RUN = [through_retriever, through_store]
RUNS = [
    lambda graph, config, **options: graph.invoke(INPUT, config, **options),
    lambda graph, config, **options: asyncio.run(graph.ainvoke(INPUT, config, **options)),
]


@pytest.fixture(params=SURFACES, ids=lambda surface: surface.__name__)
def found(request, bank):
    """Return a function that gives the text found by a surface in a run."""

    def find(configurable=None, context=None, is_async=False, **options):
        if is_async and sys.version_info < (3, 11) and request.param in NEED_THE_RUN:
            pytest.skip("langgraph does not pass the run to asynchronous nodes on Python 3.10")
        config = {"configurable": configurable or {}}
        run = RUNS[is_async]
        return request.param(bank, lambda graph: run(graph, config, context=context), **options)

    return find


def whose(text):
    """Return the users whose facts are in a text."""
    return [user_id for user_id, fact in FACTS.items() if fact in text]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_context_comes_before_the_config(found, is_async):
    named = {"user_id": BOB}
    assert whose(found(named, is_async=is_async)) == [BOB]
    assert whose(found(named, Context(ALICE), is_async=is_async)) == [ALICE]
    assert whose(found(named, Context(), is_async=is_async)) == [BOB]


def test_a_key_of_the_applications_own(found):
    assert whose(found({"customer": BOB}, user_id_key="customer")) == [BOB]
    both = Context(user_id=BOB, customer=ALICE)
    assert whose(found(context=both, user_id_key="customer")) == [ALICE]
    with pytest.raises(InvalidInputError, match="customer"):
        found({"user_id": ALICE}, user_id_key="customer")


@pytest.mark.parametrize("user_id", [7, CUSTOMER])
def test_integers_and_uuids_stand_for_their_text(found, user_id):
    assert whose(found({"user_id": user_id})) == [str(user_id)]
    assert whose(found(context=Context(user_id))) == [str(user_id)]


@pytest.mark.parametrize("user_id", [None, "", " ", True, 7.5, ["7"], b"7"])
def test_other_values_are_refused(found, user_id):
    with pytest.raises(InvalidInputError, match="user_id"):
        found({"user_id": user_id})


@pytest.mark.parametrize("surface", [through_tools, through_retriever, through_store])
def test_a_fixed_user_comes_first(bank, surface):
    def run(graph):
        return graph.invoke(INPUT, {"configurable": {"user_id": BOB}}, context=Context(BOB))

    for user_id in (ALICE, 7, CUSTOMER):
        assert whose(surface(bank, run, user_id=user_id)) == [str(user_id)]


def serve(request, identity):
    """Return the configurable values and the context of a run as a LangGraph server makes them.

    The server copies what the client sent, whether as context or as configurable values, and then
    writes the identity from the authentication handler over it (langgraph_api, models/run.py).
    """
    context = request.get("context") or {}
    configurable = dict(context or request.get("configurable") or {})
    configurable |= {"langgraph_auth_user_id": identity, "langgraph_auth_user": object()}
    return configurable, Context(**context)


@pytest.mark.parametrize("kind", ["context", "configurable"])
def test_behind_authentication_no_client_can_name_another_user(found, kind):
    forged = dict.fromkeys(["user_id", "customer", "langgraph_auth_user_id"], BOB)
    run = serve({kind: forged}, ALICE)
    assert whose(found(*run, user_id_key="langgraph_auth_user_id")) == [ALICE]
    with pytest.raises(InvalidInputError, match="user_id"):
        found(*serve({kind: forged}, ""), user_id_key="langgraph_auth_user_id")


def test_an_authenticated_key_is_not_read_from_a_context(found):
    with pytest.raises(InvalidInputError, match="langgraph_auth_user_id is missing"):
        found(
            context=Context(langgraph_auth_user_id=BOB),
            user_id_key="langgraph_auth_user_id",
        )


def test_a_store_of_one_user_has_only_its_namespaces(bank):
    shared, own = MemoryBankStore(bank), MemoryBankStore(bank, user_id=7)
    shared.put(("70", "likes"), "tea", {"text": "black"})
    own.put(("likes", "drinks"), "tea", {"text": "green"})
    assert own.get(("likes", "drinks"), "tea").namespace == ("likes", "drinks")
    assert shared.get(("7", "likes", "drinks"), "tea").value == {"text": "green"}
    assert [item.namespace for item in own.search(())] == [("likes", "drinks")]
    assert own.list_namespaces() == own.list_namespaces(suffix=("drinks",)) == [("likes", "drinks")]
    assert own.list_namespaces(prefix=("likes",), max_depth=1) == [("likes",)]
    assert own.list_namespaces(prefix=("70",)) == []
    own.delete(("likes", "drinks"), "tea")
    assert own.search(()) == []
    assert len(shared.search(())) == 1
    with pytest.raises(InvalidInputError, match="user_id is missing"):
        MemoryBankStore(bank, user_id_key="user_id").search(())
