"""MemoryBankRetriever: its nodes, one user at a time, and its use in engines and fusion."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone

import pytest

pytest.importorskip("llama_index.core", reason="llama-index-core is not installed")

import llama_index_instrumentation as instrumentation
from llama_index.core.base.base_selector import BaseSelector, SelectorResult, SingleSelection
from llama_index.core.bridge.pydantic import Field
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine, RouterQueryEngine
from llama_index.core.retrievers import QueryFusionRetriever, RouterRetriever
from llama_index.core.retrievers.fusion_retriever import FUSION_MODES
from llama_index.core.schema import MetadataMode, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool, RetrieverTool
from llama_index.core.workflow import JsonSerializer
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span_handlers import SimpleSpanHandler

from memorybank_core import InvalidInputError, MemoryBank, Turn
from memorybank_llamaindex import events
from memorybank_llamaindex.retriever import MemoryBankRetriever

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


def ids(nodes):
    return [node.node.node_id for node in nodes]


class Heard(BaseEventHandler):
    """A handler that records the events of memories."""

    kept: list = Field(default_factory=list)

    def handle(self, event, **kwargs):
        if isinstance(event, events.MemoryEvent):
            self.kept.append(event)


@pytest.fixture
def heard():
    dispatcher = instrumentation.get_dispatcher()
    handlers, handler = dispatcher.event_handlers, Heard()
    dispatcher.event_handlers = [*handlers, handler]
    yield handler.kept
    dispatcher.event_handlers = handlers


def test_a_node_is_a_memory_with_plain_metadata(bank):
    (node,) = MemoryBankRetriever(bank, user_id=ALICE, k=1).retrieve(CELLO)
    (result,) = bank.search(CELLO, user_id=ALICE, k=1)
    assert (node.node_id, node.text) == ("cello", "My sister Nora plays the cello.\nHow lovely!")
    assert node.score == pytest.approx(result.score)
    metadata = node.metadata
    assert json.loads(json.dumps(metadata)) == metadata
    assert {name: metadata[name] for name in list(metadata)[:6]} == {
        "day": "2024-03-04",
        "created_at": "2024-03-04T09:00:00+00:00",
        "kind": "turn",
        "session": "family",
        "strength": 1.0,
        "recalls": 0,
    }
    assert (metadata["score"], metadata["cosine"]) == (node.score, pytest.approx(result.cosine))
    assert metadata["retention"] == pytest.approx(result.retention, abs=1e-6)
    assert sum(metadata["parts"].values()) == pytest.approx(metadata["score"])
    serializer = JsonSerializer()
    assert serializer.deserialize(serializer.serialize(node.node)) == node.node
    assert TextNode.from_dict(node.node.to_dict()).metadata == metadata


def test_a_model_is_shown_the_day_and_an_embedding_the_text_alone(bank):
    (node,) = MemoryBankRetriever(bank, user_id=ALICE, k=1).retrieve(CELLO)
    text = "My sister Nora plays the cello.\nHow lovely!"
    assert node.node.get_content(MetadataMode.LLM) == f"day: 2024-03-04\n\n{text}"
    assert node.node.get_content(MetadataMode.EMBED) == text


def test_async_and_a_bundle_find_the_same(bank):
    retriever = MemoryBankRetriever(bank, user_id=ALICE, k=2)
    node_ids = ids(retriever.retrieve(CELLO))
    assert node_ids[0] == "cello"
    assert ids(asyncio.run(retriever.aretrieve(QueryBundle(CELLO)))) == node_ids


def test_its_filters_are_those_of_a_search(bank):
    def found(**filters):
        return set(ids(MemoryBankRetriever(bank, user_id=ALICE, k=9, **filters).retrieve("the")))

    assert found(since=date(2024, 3, 6)) == {"cat", "train"}
    assert found(until=date(2024, 3, 4)) == {"cello"}
    assert found(session="family") == {"cello"}
    assert found(kind="event") == set()
    bank.forget(user_id=ALICE, now=MONDAY + 99 * DAY)
    assert found() == set()
    assert found(archived=True) == {"cello", "soup", "cat", "train"}


def test_it_writes_nothing_unless_it_reinforces(bank, heard):
    before = bank.timeline(user_id=ALICE)
    MemoryBankRetriever(bank, user_id=ALICE, k=1).retrieve(CELLO)
    assert bank.timeline(user_id=ALICE) == before
    strengthening = MemoryBankRetriever(bank, user_id=ALICE, k=1, reinforce=True)
    strengthening.retrieve(CELLO)
    asyncio.run(strengthening.aretrieve(CELLO))
    assert {memory.id: memory.recalls for memory in bank.timeline(user_id=ALICE)} == {
        "cello": 2, "soup": 0, "cat": 0, "train": 0,
    }  # fmt: skip
    assert [event.class_name() for event in heard] == [
        "MemoryRecalled", *("MemoryRecalled", "MemoryReinforced") * 2,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user_id": ""}, "user_id"),
        ({"user_id": None}, "user_id"),
        ({"k": 0}, "k must be"),
        ({"kind": "dream"}, "kind"),
        ({"since": "2024-03-04"}, "since"),
    ],
)
def test_what_cannot_be_is_refused_at_once(bank, wrong, message):
    with pytest.raises(InvalidInputError, match=message):
        MemoryBankRetriever(bank, **{"user_id": ALICE, **wrong})


def test_nothing_asked_is_said(bank):
    with pytest.raises(InvalidInputError, match="query"):
        MemoryBankRetriever(bank, user_id=ALICE).retrieve(" ")


def test_two_users_at_once(bank):
    both = {user: MemoryBankRetriever(bank, user_id=user, k=9) for user in (ALICE, BOB)}
    for user, canary in ((ALICE, "canary-a"), (BOB, "canary-b")):
        bank.add([Turn(f"My cello secret is {canary}.", "", MONDAY)], user_id=user)

    def texts_for(user):
        return str([node.text for node in both[user].retrieve("What is my cello secret?")])

    async def atexts_for(user):
        nodes = await both[user].aretrieve("What is my cello secret?")
        return str([node.text for node in nodes])

    async def at_once():
        return await asyncio.gather(*(atexts_for(user) for user in [ALICE, BOB] * 10))

    with ThreadPoolExecutor(4) as threads:
        texts = [*threads.map(texts_for, [ALICE, BOB] * 10), *asyncio.run(at_once())]
    assert all("canary-a" in text and "canary-b" not in text for text in texts[::2])
    assert all("canary-b" in text and "canary-a" not in text for text in texts[1::2])


# In engines and fusion.


class Choosing(BaseSelector):
    """A selector with a fixed choice."""

    def __init__(self, *chosen):
        self.chosen = [SingleSelection(index=index, reason="so") for index in chosen]

    def _get_prompts(self):
        return {}

    def _update_prompts(self, prompts):
        pass

    def _select(self, choices, query):
        return SelectorResult(selections=self.chosen)

    async def _aselect(self, choices, query):
        return self._select(choices, query)


def engine(bank, user_id=ALICE, **options):
    retriever = MemoryBankRetriever(bank, user_id=user_id, k=2)
    return RetrieverQueryEngine.from_args(retriever, llm=MockLLM(), **options)


def test_a_query_engine_shows_the_model_text_and_day(bank):
    for answer in (engine(bank).query(CELLO), asyncio.run(engine(bank).aquery(CELLO))):
        assert "day: 2024-03-04\n\nMy sister Nora plays the cello." in str(answer)
        assert "cosine" not in str(answer)
        assert "Otto" not in str(answer)
        assert ids(answer.source_nodes)[0] == "cello"


def test_postprocessors_take_its_nodes(bank):
    only = engine(bank, node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=1.0)])
    assert ids(only.query(CELLO).source_nodes) == ["cello"]


def test_routers_take_it(bank):
    tools = [
        QueryEngineTool.from_defaults(engine(bank, user), name=name, description=name)
        for user, name in ((ALICE, "alice"), (BOB, "bob"))
    ]
    router = RouterQueryEngine(Choosing(1), tools, llm=MockLLM())
    assert ids(router.query(CELLO).source_nodes) == ["otto"]
    tools = [
        RetrieverTool.from_defaults(MemoryBankRetriever(bank, user_id=user, k=1), description=user)
        for user in (ALICE, BOB)
    ]
    both = RouterRetriever(Choosing(0, 1), tools, llm=MockLLM())
    assert set(ids(both.retrieve(CELLO))) == {"cello", "otto"}
    assert set(ids(asyncio.run(both.aretrieve(CELLO)))) == {"cello", "otto"}


@pytest.mark.parametrize("mode", FUSION_MODES)
def test_fusion_knows_a_memory_again_that_two_questions_found(bank, mode):
    class Asking(MockLLM):
        def _generate_text(self, length):
            return "cello sister\nNora's instrument"

    fusion = QueryFusionRetriever(
        [MemoryBankRetriever(bank, user_id=ALICE, k=2)],
        llm=Asking(max_tokens=9),
        mode=mode,
        num_queries=3,
        similarity_top_k=2,
        use_async=False,
    )
    for node_ids in (ids(fusion.retrieve(CELLO)), ids(asyncio.run(fusion.aretrieve(CELLO)))):
        assert node_ids[0] == "cello"
        assert len(node_ids) == 2


# Events.


def test_events_tell_who_asked_what_and_what_was_found(bank, heard):
    MemoryBankRetriever(bank, user_id=ALICE, k=1).retrieve(CELLO)
    asyncio.run(MemoryBankRetriever(bank, user_id=BOB, k=1).aretrieve(CELLO))
    assert [(event.user_id, event.query, event.ids) for event in heard] == [
        (ALICE, CELLO, ("cello",)),
        (BOB, CELLO, ("otto",)),
    ]
    assert all(event.span_id.startswith("MemoryBankRetriever._retrieve") for event in heard)
    assert json.loads(heard[0].model_dump_json())["ids"] == ["cello"]
    assert heard[0].model_dump()["class_name"] == "MemoryRecalled"


def test_events_of_memories_are_one_line_each(heard):
    events.emit_recalled(ALICE, CELLO, ["cello"])
    events.emit_stored(ALICE, ["cello"])
    events.emit_reinforced(ALICE, ["cello"])
    events.emit_erased(ALICE, ["cello"])
    assert [event.class_name() for event in heard] == [
        "MemoryRecalled", "MemoryStored", "MemoryReinforced", "MemoryErased",
    ]  # fmt: skip


def test_its_spans_are_llamaindexs(bank):
    dispatcher = instrumentation.get_dispatcher()
    handlers, spans = dispatcher.span_handlers, SimpleSpanHandler()
    dispatcher.span_handlers = [*handlers, spans]
    try:
        engine(bank).query(CELLO)
    finally:
        dispatcher.span_handlers = handlers
    names = [span.id_.partition("-")[0] for span in spans.completed_spans]
    assert {"MemoryBankRetriever.retrieve", "MemoryBankRetriever._retrieve"} <= set(names)


def test_nodes_of_ids_with_line_breaks_have_different_hashes(bank):
    turns = [Turn("b\nc", at=MONDAY, id="a"), Turn("c", at=MONDAY, id="a\nb")]
    bank.add(turns, user_id="eve")
    nodes = MemoryBankRetriever(bank, user_id="eve", min_relevance=0.0).retrieve("b c")
    assert len(nodes) == len({node.node.hash for node in nodes}) == 2
