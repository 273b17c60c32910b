"""What a turn embeds on each LangChain surface: the query once and the whole turn once."""

import asyncio

import pytest

pytest.importorskip("langchain_classic", reason="langchain-classic is not installed")
pytest.importorskip("langgraph", reason="langgraph is not installed")

from agent_examples import Retry, Scripted, User
from embedding_log import EmbeddingLog
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableParallel
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_examples import ALICE, FailsOnce, model_of

from memorybank_core import MemoryBank, Turn
from memorybank_langchain import (
    MemoryBankChatMessageHistory,
    MemoryBankMemory,
    MemoryBankMiddleware,
    MemoryBankRetriever,
    MemoryBankStore,
    memory_tools,
    recalled,
    with_memory,
)
from memorybank_langchain.siliconfriend import siliconfriend

pytestmark = pytest.mark.filterwarnings(
    "ignore::langchain_core._api.deprecation.LangChainDeprecationWarning"  # LangChain's wrapper's
)
QUESTION, ANSWER = "Which instrument does my sister Nora play?", "She plays the cello."
QUERY, WHOLE = ("query", QUESTION), ("document", f"{QUESTION}\n{ANSWER}")
PROMPT = ChatPromptTemplate([("system", "{memory}"), ("human", "{input}")])


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder=EmbeddingLog()) as bank:
        bank.add([Turn("My sister Nora plays the cello.", "How lovely!")], user_id=ALICE)
        yield bank


def plain_bank(bank):
    bank.context(QUESTION, user_id=ALICE)
    bank.add([Turn(QUESTION, ANSWER)], user_id=ALICE)


def classic_memory(bank):
    memory = MemoryBankMemory(bank=bank, user_id=ALICE)
    for _ in range(2):  # agents load the variables several times
        memory.load_memory_variables({"input": QUESTION})
    memory.save_context({"input": QUESTION}, {"output": ANSWER})


def chain(bank):
    with_memory(PROMPT | model_of([ANSWER]), bank, user_id=ALICE).invoke({"input": QUESTION})


def chain_async(bank):
    wrapped = with_memory(PROMPT | model_of([ANSWER]), bank, user_id=ALICE)
    asyncio.run(wrapped.ainvoke({"input": QUESTION}))


def chain_streamed(bank):
    list(with_memory(PROMPT | model_of([ANSWER]), bank, user_id=ALICE).stream({"input": QUESTION}))


def chain_that_retries(bank):
    inner = (PROMPT | FailsOnce(responses=[ANSWER])).with_retry(wait_exponential_jitter=False)
    with_memory(inner, bank, user_id=ALICE).invoke({"input": QUESTION})


def recall_in_two_branches(bank):
    step = recalled(bank, user_id=ALICE)
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE)
    RunnableParallel(memory=step, documents=retriever).invoke(QUESTION)


def history(bank):
    wrapped = RunnableWithMessageHistory(
        model_of([ANSWER]),
        lambda session: MemoryBankChatMessageHistory(bank=bank, user_id=ALICE, session=session),
    )
    wrapped.invoke(QUESTION, {"configurable": {"session_id": "monday"}})


def history_message_by_message(bank):
    messages = MemoryBankChatMessageHistory(bank=bank, user_id=ALICE, session="monday")
    bank.context(QUESTION, user_id=ALICE)
    messages.add_messages([HumanMessage(QUESTION)])
    messages.add_messages([AIMessage(ANSWER)])


def run_agent(bank, model, *further, tools=()):
    middleware = [MemoryBankMiddleware(bank), *further]
    agent = create_agent(model, tools, middleware=middleware, context_schema=User)
    agent.invoke({"messages": [("human", QUESTION)]}, context=User(ALICE))


def agent(bank):
    run_agent(bank, Scripted(script=[ANSWER]))


def agent_that_retries(bank):
    run_agent(bank, Scripted(script=[ConnectionError("away"), ANSWER]), Retry())


def agent_with_recall_tool(bank):
    call = {"name": "recall", "args": {"query": QUESTION}, "id": "1", "type": "tool_call"}
    model = Scripted(script=[AIMessage("", tool_calls=[call]), ANSWER])
    run_agent(bank, model, tools=memory_tools(bank, user_id=ALICE))


def companion(bank):
    siliconfriend(model_of([ANSWER]), bank, user_id=ALICE).invoke({"input": QUESTION})


def remember_tool(bank):
    remember, recall, _ = memory_tools(bank, user_id=ALICE)
    for tool, text in ((remember, ANSWER), (remember, ANSWER), (recall, QUESTION)):
        tool.invoke(text)


def items(bank):
    store = MemoryBankStore(bank, index_fields=["text"])
    store.put((ALICE, "facts"), "cello", {"text": ANSWER})
    for namespace in ((ALICE, "facts"), (ALICE,)):
        store.search(namespace, query=QUESTION)


TURN = [QUERY, WHOLE]
SURFACES = [
    (plain_bank, TURN),
    (classic_memory, TURN),
    (chain, TURN),
    (chain_async, TURN),
    (chain_streamed, TURN),
    (chain_that_retries, TURN),
    (recall_in_two_branches, [QUERY]),
    (history, [WHOLE]),
    (history_message_by_message, TURN),
    (agent, TURN),
    (agent_that_retries, TURN),
    (agent_with_recall_tool, TURN),
    (companion, TURN),
    (remember_tool, [("document", ANSWER), QUERY]),
    (items, [("document", ANSWER), QUERY]),
]


@pytest.mark.parametrize(
    ("turn", "expected"), SURFACES, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_turn_embeds_each_text_once(bank, turn, expected):
    assert bank.embedder.of(lambda: turn(bank)) == expected


def test_a_whole_turn_has_the_same_vector_as_one_added_at_once(bank, tmp_path):
    chain(bank)
    with MemoryBank.open(tmp_path / "other.db", embedder=EmbeddingLog()) as other:
        plain_bank(other)
        query = "instrument cello"
        expected = other.search(query, user_id=ALICE, k=1)[0].cosine
    found = bank.search(query, user_id=ALICE, k=5)
    cosines = {result.memory.text: result.cosine for result in found}
    assert cosines[WHOLE[1]] == expected
