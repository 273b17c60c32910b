"""LangChain's published example programs for agents, with one import and one argument more."""

import uuid

import pytest

pytest.importorskip("langchain.agents", reason="langchain is not installed")

from agent_examples import Scripted, humans, plain, recalled
from langchain.agents import create_agent
from langchain.agents.middleware import SummarizationMiddleware
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import BaseStore

from memorybank_core import MemoryBank
from memorybank_langchain import MemoryBankMiddleware, MemoryBankStore


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        yield bank


def test_an_agent_with_a_summarizing_middleware(bank):
    """docs.langchain.com, "Short-term memory", summarize messages."""
    summarizer = Scripted(script=["They talk of pets."] * 9)
    try:
        summarizing = SummarizationMiddleware(
            summarizer, trigger=("messages", 4), keep=("messages", 2)
        )
    except TypeError:
        pytest.skip("this langchain has no trigger")
    model = Scripted(script=["Hi Bob!", "Cats purr.", "Dogs bark.", "You are Bob.", "Bob."])
    agent = create_agent(
        model, middleware=[summarizing, MemoryBankMiddleware(bank)], checkpointer=InMemorySaver()
    )
    config: RunnableConfig = {"configurable": {"thread_id": "1", "user_id": "bob"}}
    agent.invoke({"messages": "hi, my name is bob"}, config)
    agent.invoke({"messages": "write a short poem about cats"}, config)
    agent.invoke({"messages": "now do the same but for dogs"}, config)
    final_response = agent.invoke({"messages": "what's my name?"}, config)

    assert final_response["messages"][-1].text == "You are Bob."
    assert "They talk of pets." in str(model.prompts[-1])
    assert [memory.turn.query for memory in bank.timeline(user_id="bob")] == [
        "hi, my name is bob",
        "write a short poem about cats",
        "now do the same but for dogs",
        "what's my name?",
    ]
    another = {"configurable": {"thread_id": "2", "user_id": "bob"}}
    agent.invoke({"messages": "tell me my name, bob?"}, another)
    assert "my name is bob" in recalled(model.prompts[-1])


def test_a_summarized_turn_is_recalled_again(bank):
    try:
        summarizing = SummarizationMiddleware(
            Scripted(script=["They talked."] * 9), trigger=("messages", 4), keep=("messages", 2)
        )
    except TypeError:
        pytest.skip("this langchain has no trigger")
    model = Scripted()
    agent = create_agent(
        model, middleware=[MemoryBankMiddleware(bank), summarizing], checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1", "user_id": "bob"}}
    for text in ("My sister Nora plays the cello.", "Cats purr.", "Dogs bark.", "Owls hoot."):
        agent.invoke({"messages": text}, config)
    agent.invoke({"messages": "Which instrument does my sister Nora play?"}, config)
    assert "plays the cello" in recalled(model.prompts[-1])
    assert "plays the cello" not in str([plain(message) for message in humans(model.prompts[-1])])


def test_a_graph_with_a_store(bank):
    """docs.langchain.com, LangGraph, "Memory", add long-term memory."""
    model = Scripted(script=["Noted.", "Your name is Bob."])

    def call_model(state: MessagesState, config: RunnableConfig, *, store: BaseStore):
        user_id = config["configurable"]["user_id"]
        namespace = ("memories", user_id)
        memories = store.search(namespace, query=str(state["messages"][-1].content))
        info = "\n".join([d.value["data"] for d in memories])
        system_msg = f"You are a helpful assistant talking to the user. User info: {info}"
        last_message = state["messages"][-1]
        if "remember" in last_message.content.lower():
            store.put(namespace, str(uuid.uuid4()), {"data": "User name is Bob"})
        response = model.invoke([{"role": "system", "content": system_msg}, *state["messages"]])
        return {"messages": response}

    builder = StateGraph(MessagesState)
    builder.add_node(call_model)
    builder.add_edge(START, "call_model")
    graph = builder.compile(checkpointer=InMemorySaver(), store=MemoryBankStore(bank))

    def ask(text, **configurable):
        input = {"messages": [{"role": "user", "content": text}]}
        return list(graph.stream(input, {"configurable": configurable}, stream_mode="values"))

    ask("Hi! Remember: my name is Bob", thread_id="1", user_id="1")
    *_, last = ask("what is my name?", thread_id="2", user_id="1")
    assert last["messages"][-1].text == "Your name is Bob."
    assert "User name is Bob" in model.prompts[-1][0].text
    ask("what is my name?", thread_id="3", user_id="2")
    assert "User name is Bob" not in model.prompts[-1][0].text
