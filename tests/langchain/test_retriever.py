"""MemoryBankRetriever: its documents, one user at a time, and LangChain's own tests."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone

import pytest

pytest.importorskip("langchain_core", reason="langchain is not installed")

from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField, RunnablePassthrough

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_langchain.retriever import MemoryBankRetriever

integration_tests = pytest.importorskip(
    "langchain_tests.integration_tests", reason="langchain-tests is not installed"
)

ALICE, BOB = "alice@example.com", "bob@example.com"
MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
DAY = timedelta(days=1)
TALK = [
    Turn("My sister Nora plays the cello.", "How lovely!", MONDAY, id="cello", session="family"),
    Turn("I had tomato soup for lunch.", "Sounds warming.", MONDAY + DAY, id="soup"),
    Turn("我的猫叫花椒。", "好可爱的名字！", MONDAY + 2 * DAY, id="cat"),
    Turn("The train to Bergen leaves on Friday.", "Safe travels!", MONDAY + 3 * DAY, id="train"),
]
CELLO = "Who plays the cello?"


@pytest.fixture
def bank(tmp_path):
    with MemoryBank.open(tmp_path / "friend.db", embedder="hashing") as bank:
        bank.add(TALK, user_id=ALICE)
        bank.add([Turn("My cello is called Otto.", "Hi Otto!", MONDAY, id="otto")], user_id=BOB)
        yield bank


def ids(documents):
    return [document.id for document in documents]


def of(user_id, **more):
    return {"configurable": {"user_id": user_id, **more}}


def test_a_document_is_a_memory_with_plain_metadata(bank):
    (result,) = bank.search(CELLO, user_id=ALICE, k=1, now=MONDAY + 5 * DAY)
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE, k=1)
    (document,) = retriever.invoke(CELLO, now=MONDAY + 5 * DAY)
    assert document == Document(
        id="cello",
        page_content="My sister Nora plays the cello.\nHow lovely!",
        metadata={
            "day": "2024-03-04",
            "created_at": "2024-03-04T09:00:00+00:00",
            "kind": "turn",
            "session": "family",
            "strength": 1.0,
            "recalls": 0,
            "metadata": {},
            "score": result.score,
            "cosine": result.cosine,
            "retention": result.retention,
            "relevance": result.relevance,
            "parts": result.to_dict()["parts"],
            "superseded_by": None,
            "times": 1,
            "last_said": "2024-03-04T09:00:00+00:00",
        },
    )
    assert json.loads(json.dumps(document.metadata)) == document.metadata
    assert sum(document.metadata["parts"].values()) == pytest.approx(document.metadata["score"])


def test_its_filters_are_those_of_a_search(bank):
    def found(**filters):
        made = MemoryBankRetriever(bank=bank, user_id=ALICE, k=9, **filters).invoke("the")
        called = MemoryBankRetriever(bank=bank, user_id=ALICE).invoke("the", k=9, **filters)
        assert set(ids(made)) == set(ids(called))
        return set(ids(made))

    assert found(since=date(2024, 3, 6)) == {"cat", "train"}
    assert found(until=date(2024, 3, 4)) == {"cello"}
    assert found(session="family") == {"cello"}
    assert found(kind="event") == set()
    bank.forget(user_id=ALICE, now=MONDAY + 99 * DAY)
    assert found() == set()
    assert found(archived=True) == {"cello", "soup", "cat", "train"}


def test_it_writes_nothing_unless_it_reinforces(bank):
    before = bank.timeline(user_id=ALICE)
    MemoryBankRetriever(bank=bank, user_id=ALICE).invoke(CELLO)
    assert bank.timeline(user_id=ALICE) == before
    strengthening = MemoryBankRetriever(bank=bank, user_id=ALICE, k=1, reinforce=True)
    strengthening.invoke(CELLO, now=MONDAY + 5 * DAY)
    asyncio.run(strengthening.ainvoke(CELLO))
    strengthening.invoke(CELLO, reinforce=False)
    assert bank.recalls("cello", user_id=ALICE)[0] == MONDAY + 5 * DAY
    assert {memory.id: memory.recalls for memory in bank.timeline(user_id=ALICE)} == {
        "cello": 2, "soup": 0, "cat": 0, "train": 0,
    }  # fmt: skip


def test_each_call_may_name_the_user(bank):
    retriever = MemoryBankRetriever(bank=bank, k=1)
    assert ids(retriever.invoke(CELLO, config=of(ALICE))) == ["cello"]
    assert ids(asyncio.run(retriever.ainvoke(CELLO, config=of(BOB)))) == ["otto"]
    assert ids(retriever.invoke(CELLO, user_id=BOB)) == ["otto"]
    chain = RunnablePassthrough.assign(found=(lambda values: values["q"]) | retriever)
    assert ids(chain.invoke({"q": CELLO}, config=of(ALICE))["found"]) == ["cello"]


def test_langchains_configurable_fields_work_too(bank):
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE, k=1).configurable_fields(
        user_id=ConfigurableField("user_id"), k=ConfigurableField("k")
    )
    assert ids(retriever.invoke(CELLO)) == ["cello"]
    assert ids(retriever.invoke(CELLO, config=of(BOB))) == ["otto"]
    assert len(retriever.with_config(configurable={"k": 3}).invoke(CELLO)) == 3


@pytest.mark.parametrize("user_id", [None, "", "  ", 7.5])
def test_without_a_user_nothing_is_found(bank, user_id):
    retriever = MemoryBankRetriever(bank=bank)
    with pytest.raises(InvalidInputError, match="user_id"):
        retriever.invoke(CELLO, config=of(user_id))
    with pytest.raises(InvalidInputError, match="user_id"):
        asyncio.run(retriever.ainvoke(CELLO, config=of(user_id)))


def test_a_user_who_is_fixed_stays(bank):
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE)
    assert "otto" not in ids(retriever.invoke(CELLO, config=of(BOB)))


def test_what_cannot_be_asked_is_said(bank):
    retriever = MemoryBankRetriever(bank=bank, user_id=ALICE)
    with pytest.raises(InvalidInputError, match="k must be"):
        retriever.invoke(CELLO, k=0)
    with pytest.raises(InvalidInputError, match="query"):
        retriever.invoke(" ")
    with pytest.raises(TypeError, match="top_k"):
        retriever.invoke(CELLO, top_k=3)


def test_two_users_at_once_through_one_retriever(bank):
    retriever = MemoryBankRetriever(bank=bank, k=9)
    for user, canary in ((ALICE, "canary-a"), (BOB, "canary-b")):
        bank.add([Turn(f"My cello secret is {canary}.", "", MONDAY)], user_id=user)

    def texts_for(user):
        return str(retriever.invoke("What is my cello secret?", config=of(user)))

    with ThreadPoolExecutor(4) as threads:
        both = list(threads.map(texts_for, [ALICE, BOB] * 20))
    assert all("canary-a" in text and "canary-b" not in text for text in both[::2])
    assert all("canary-b" in text and "canary-a" not in text for text in both[1::2])


@pytest.mark.asyncio
@pytest.mark.filterwarnings("ignore:.*not an async function")  # some are, some not
class TestStandard(integration_tests.RetrieversIntegrationTests):
    """LangChain's tests of a retriever."""

    @pytest.fixture(autouse=True)
    def _with(self, bank):
        self._bank = bank

    @property
    def retriever_constructor(self):
        return MemoryBankRetriever

    @property
    def retriever_constructor_params(self):
        return {"bank": self._bank, "user_id": ALICE}

    @property
    def retriever_query_example(self):
        return CELLO
