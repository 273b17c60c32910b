"""MemoryBankStore: equal to LangGraph's own store where both do the same, and its additions."""

import asyncio
import copy
import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from datetime import time as dtime
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Annotated
from uuid import UUID

import pytest

pytest.importorskip("langgraph", reason="langgraph is not installed")

from agent_examples import Scripted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain.tools import InjectedStore
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import tool
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from typing_extensions import TypedDict

from memorybank_core import (
    EmbedderError,
    HashingEmbedder,
    InvalidInputError,
    MemoryBank,
    StoreError,
)
from memorybank_core.locations import is_url
from memorybank_core.stores.reembed import reembed
from memorybank_langchain import MemoryBankEmbeddings, MemoryBankStore

ALICE = "alice@example.com"
NASTY = [
    " ",
    ".",
    "/",
    "~",
    "~0",
    "~1",
    "%",
    "_",
    "*",
    "'",
    '"',
    "'; DROP TABLE items --",
    "\0",
]
NASTY += [
    "a.b@c",
    "u1",
    "u10",
    "U1",
    "茶",
    "🍵",
    "\U0010ffff",
    "0",
    "\\",
    "\u00e9",
    "e\u0301",
]


@dataclass
class Note:
    """A value that is not JSON."""

    text: str
    day: date
    _private: int = 0


class Mood(Enum):
    """A value that is not JSON."""

    GOOD = "good"


def open_bank(path, embedder=None):
    return MemoryBank.open(path, embedder=embedder or HashingEmbedder())


@pytest.fixture
def bank(place):
    with open_bank(place) as bank:
        yield bank


@pytest.fixture
def ours(bank):
    return MemoryBankStore(bank)


def in_memory():
    embeddings = MemoryBankEmbeddings(HashingEmbedder())
    return InMemoryStore(index={"dims": 256, "embed": embeddings, "fields": ["$"]})


@pytest.fixture(params=["file", "postgres", "langgraph's"])
def store(request, folder):
    if request.param == "langgraph's":
        yield in_memory()
        return
    place = folder / "bank.db"
    if request.param == "postgres":
        place = request.getfixturevalue("database")
    with open_bank(place) as bank:
        yield MemoryBankStore(bank)


def keys(found):
    return sorted((item.namespace, item.key) for item in found)


def names(found):
    return [item.key for item in found]


# Shared with LangGraph


def test_put_get_delete(store):
    store.put(("u", "notes"), "a", {"text": "tea", "n": [1, {"b": None}]})
    item = store.get(("u", "notes"), "a")
    assert (item.namespace, item.key) == (("u", "notes"), "a")
    assert item.value == {"text": "tea", "n": [1, {"b": None}]}
    assert item.created_at.tzinfo is not None
    store.put(("u", "notes"), "a", {})
    assert store.get(("u", "notes"), "a").value == {}
    store.delete(("u", "notes"), "a")
    store.delete(("u", "notes"), "a")
    assert store.get(("u", "notes"), "a") is None
    assert store.get(("u",), "a") is None
    assert store.search(("u",)) == []


def test_a_batch_answers_in_order_and_reads_before_it_writes(store):
    store.put(("u",), "old", {"n": 1})
    results = store.batch(
        [
            PutOp(("u",), "a", {"n": 1}),
            GetOp(("u",), "a"),
            PutOp(("u",), "old", None),
            GetOp(("u",), "old"),
            SearchOp(("u",)),
            PutOp(("u",), "a", {"n": 2}),
            ListNamespacesOp(),
            PutOp(("u",), "b", {"n": 3}),
            PutOp(("u",), "b", None),
        ]
    )
    assert [results[i] for i in (0, 1, 2, 5, 7, 8)] == [None] * 6
    assert results[3].value == {"n": 1}
    assert (names(results[4]), results[6]) == (["old"], [("u",)])
    assert {item.key: item.value for item in store.search(("u",))} == {"a": {"n": 2}}
    assert store.batch([]) == []


def test_a_prefix_is_compared_label_by_label(store):
    for path in [("u1",), ("u1", "x"), ("u10",), ("u1x", "u1"), ("%",), ("*", "x"), ("u_",)]:
        store.put(path, "k", {})
    for prefix, expected in (
        (("u1",), [("u1",), ("u1", "x")]),
        (("u1", "x"), [("u1", "x")]),
        (("u",), []),
        (("%",), [("%",)]),
        (("*",), [("*", "x")]),
        (("u_",), [("u_",)]),
    ):
        assert keys(store.search(prefix)) == [(path, "k") for path in expected]


def test_pages_cover_everything_once(store):
    for n in range(23):
        store.put(("u", str(n % 3)), f"{n:02}", {"n": n, "text": f"tea number {n}"})
    for options in ({}, {"filter": {"n": {"$gte": 3}}}, {"query": "tea number 7"}):
        pages = [store.search(("u",), limit=5, offset=at, **options) for at in range(0, 30, 5)]
        assert [len(page) for page in pages[:4]] == [5, 5, 5, 5]
        once = [item.key for page in pages for item in page]
        assert sorted(once) == [f"{n:02}" for n in range(3 if "filter" in options else 0, 23)]
    assert len(store.search(("u",))) == 10
    assert store.search(("u",), limit=0) == []


FILTERS = [
    {"n": 1},
    {"n": 1.0},
    {"n": None},
    {"missing": None},
    {"n": {"$ne": 1}},
    {"n": {"$eq": 1}},
    {"tags": ["x", "y"]},
    {"tags": ["x"]},
    {"tags": ["x", {"$ne": "z"}]},
    {"deep": {"a": {"b": 2}}},
    {"deep": {"a": {"b": {"$gt": 1, "$lte": 2}}}},
    {"deep": {}},
    {"of": {"$lt": 3}},
    {"of": {"$gte": 2, "$ne": 3}},
    {"of": {"$gt": "1.5"}},
    {"n": 1, "of": 3},
    {"text": "%"},
    {"text": "' OR 1=1 --"},
    {"$weird": None},
    {},
]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_filters_mean_what_they_mean_to_langgraph(ours, filter):
    theirs = in_memory()
    values = [
        {"n": 1, "of": 1, "text": "a"},
        {"n": 2, "of": 2.0, "tags": ["x", "y"]},
        {"n": None, "of": "3", "tags": "x", "deep": {"a": {"b": 2, "c": 3}}},
        {"n": 1, "of": 3, "deep": 7, "text": "%"},
        {"of": True, "deep": {"a": 1}, "tags": ["x"]},
    ]
    if "deep" in filter:  # LangGraph's own store raises if a number is expected and missing
        values = values[:4]
    for n, value in enumerate(values):
        for store in (ours, theirs):
            store.put(("u",), f"{n}", value)
    assert keys(ours.search((), filter=filter)) == keys(theirs.search((), filter=filter))


def test_what_cannot_be_compared_does_not_match_and_dates_do(ours):
    ours.put(("u",), "a", {"on": "2024-03-04", "n": None})
    ours.put(("u",), "b", {"on": "2024-04-01", "n": 10**400})
    assert names(ours.search((), filter={"on": {"$gte": "2024-03-31"}})) == ["b"]
    assert names(ours.search((), filter={"n": {"$gt": 1}})) == ["b"]
    assert ours.search((), filter={"on": {"$lt": 3}}) == []
    with pytest.raises(InvalidInputError, match=r"\$gte.*'\$near'"):
        ours.search((), filter={"n": {"$near": 1}})
    assert len(ours.search((), filter={"n": {"$ne": 1}})) == 2


def test_namespaces_are_listed(store):
    paths = [("a", "b", "c"), ("a", "b", "d", "e"), ("a", "b", "d", "i"), ("a", "b", "f")]
    paths += [("a", "c", "f"), ("ab", "b", "f"), ("b",), ("*", "b")]
    for path in paths:
        store.put(path, "k", {})
        store.put(path, "l", {})
    assert store.list_namespaces() == sorted(paths)
    for options, expected in (
        ({"prefix": ("a", "b"), "max_depth": 3}, {path[:3] for path in paths[:4]}),
        ({"prefix": ("a",)}, paths[:5]),
        ({"prefix": ("*", "b")}, [*paths[:4], ("ab", "b", "f"), ("*", "b")]),
        ({"prefix": ("a", "*", "d")}, paths[1:3]),
        ({"suffix": ("f",)}, paths[3:6]),
        ({"suffix": ("b", "*")}, [paths[0], paths[3], paths[5]]),
        ({"prefix": ("a",), "suffix": ("f",)}, paths[3:5]),
        ({"prefix": ("%",)}, []),
        ({"suffix": ("a", "b", "c", "d", "e")}, []),
        ({"max_depth": 1}, [("*",), ("a",), ("ab",), ("b",)]),
        ({"limit": 2, "offset": 1}, sorted(paths)[1:3]),
    ):
        assert store.list_namespaces(**options) == sorted(expected), options
    conditions = (MatchCondition("prefix", ("a",)), MatchCondition("prefix", ("*", "c")))
    assert store.batch([ListNamespacesOp(conditions)]) == [[("a", "c", "f")]]


def test_a_query_ranks_by_meaning_and_what_is_not_indexed_comes_last(store):
    store.put(("u",), "none", {"text": "green tea"}, index=False)
    store.put(("u",), "tea", {"text": "green tea in the garden"}, index=["text"])
    store.put(("u",), "coffee", {"text": "black coffee in a bar"}, index=["text"])
    parts = {"parts": [{"text": "a bus"}, {"text": "green tea"}], "text": "rain"}
    store.put(("u",), "parts", parts, index=["text", "parts[*].text"])
    items = store.search(("u",), query="green tea")
    assert names(items) == ["parts", "tea", "coffee", "none"]
    scores = [item.score for item in items]
    assert scores[0] == pytest.approx(1.0, abs=1e-6)
    assert scores[0] > scores[1] > scores[2]
    assert scores[3] is None
    items = store.search(("u",), query="green tea", filter={"text": {"$ne": "rain"}}, limit=1)
    assert names(items) == ["tea"]
    assert [item.score for item in store.search(("u",), query="")] == [None] * 4


def test_scores_are_those_of_langgraph(ours):
    theirs = in_memory()
    texts = ["green tea", "black tea with milk", "the cat sat on the mat", "milk for the cat", "雨"]
    for store in (ours, theirs):
        for n, text in enumerate(texts):
            store.put(("u",), f"{n}", {"text": text})
    for query in ("tea", "the cat drinks milk", "雨"):
        items, expected = (store.search((), query=query) for store in (ours, theirs))
        scores = {item.key: item.score for item in items}
        assert scores == pytest.approx({item.key: item.score for item in expected}, abs=1e-6)
        assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_the_async_twins(store):
    async def all_of_them():
        await store.aput(("u",), "a", {"text": "tea"}, index=["text"])
        await asyncio.gather(*(store.aput(("u",), f"{n}", {"text": "cat"}) for n in range(5)))
        assert (await store.aget(("u",), "a")).value == {"text": "tea"}
        assert names(await store.asearch(("u",), query="tea", limit=1)) == ["a"]
        assert await store.alist_namespaces(prefix=("u",)) == [("u",)]
        await store.adelete(("u",), "a")
        gone, done = await store.abatch([GetOp(("u",), "a"), PutOp(("u",), "b", {})])
        assert (gone, done) == (None, None)
        assert len(await store.asearch(("u",))) == 6

    asyncio.run(all_of_them())


LABEL = st.sampled_from(["a", "b", "a b", "%", "*", "茶"])
PATH = st.lists(LABEL, min_size=1, max_size=3).map(tuple)
KEY = st.sampled_from(["k", "l", "%"])
VALUE = st.dictionaries(st.sampled_from("nm"), st.integers(0, 3) | st.none(), max_size=2)
FILTER = st.none() | st.dictionaries(
    st.sampled_from("nm"), st.integers(0, 3) | st.fixed_dictionaries({"$ne": st.integers(0, 3)})
)
CONDITION = st.builds(MatchCondition, st.sampled_from(["prefix", "suffix"]), PATH)
LISTING = st.tuples(
    st.none() | st.lists(CONDITION, max_size=2).map(tuple), st.none() | st.integers(1, 3)
)
OP = (
    st.tuples(PATH, KEY, st.none() | VALUE).map(lambda put: PutOp(*put))
    | st.tuples(PATH, KEY).map(lambda get: GetOp(*get))
    | st.tuples(PATH | st.just(()), FILTER).map(lambda search: SearchOp(*search, limit=99))
    | LISTING.map(lambda listing: ListNamespacesOp(*listing))
)


def plain(result):
    """Return a result without times and scores, and sort lists."""
    if isinstance(result, list):
        return sorted(part if isinstance(part, tuple) else str(plain(part)) for part in result)
    return result and (result.namespace, result.key, result.value)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batches=st.lists(st.lists(OP, max_size=8), max_size=6))
def test_any_operations_have_the_results_that_langgraphs_own_gives(ours, batches):
    theirs = InMemoryStore()
    ours.batch([PutOp(item.namespace, item.key, None) for item in ours.search((), limit=999)])
    for ops in batches:
        for namespace in [path for path, items in theirs._data.items() if not items]:
            del theirs._data[namespace]
        ops = sorted(ops, key=lambda op: isinstance(op, GetOp))  # its gets make namespaces
        results = zip(ours.batch(ops), theirs.batch(ops), strict=True)
        assert all(plain(mine) == plain(other) for mine, other in results)


# Specific to MemoryBankStore


@pytest.mark.parametrize("label", NASTY)
def test_any_string_is_a_label_and_a_key(ours, label):
    other_labels = [other for other in NASTY if other != label]
    for other in other_labels:
        ours.put((other, "x"), "k", {"of": other})
    ours.put((label, "x"), label, {"of": label}, index=["of"])
    ours.put(("x", label), "k", {})
    assert ours.get((label, "x"), label).value == {"of": label}
    assert keys(ours.search((label,))) == [((label, "x"), label)]
    assert ours.list_namespaces(suffix=("x", label) if label != "*" else ("x", "*")) == [
        ("x", label)
    ]
    ours.delete((label, "x"), label)
    assert ours.search((label,)) == []
    assert len(ours.search((), limit=99)) == len(other_labels) + 1


def test_labels_of_mail_addresses_need_no_escape_anywhere(ours):
    async def twins():
        await ours.aput((ALICE,), "a", {"n": 1})
        assert (await ours.aget((ALICE,), "a")).value == {"n": 1}
        assert len(await ours.asearch((ALICE,))) == 1
        assert await ours.alist_namespaces(prefix=(ALICE,), suffix=(ALICE,)) == [(ALICE,)]
        await ours.adelete((ALICE,), "a")

    asyncio.run(twins())
    assert ours.search((ALICE,)) == []


BAD_NAMESPACES = [(), ("u", 1), (None,), "u1", None, 7, ("u", ""), ("langgraph", "x")]


@pytest.mark.parametrize("namespace", BAD_NAMESPACES, ids=repr)
def test_a_bad_namespace_raises_the_error_of_langgraph_and_ours(ours, namespace):
    calls = [
        lambda: ours.put(namespace, "k", {}),
        lambda: asyncio.run(ours.aput(namespace, "k", {})),
    ]
    if namespace != ("langgraph", "x"):
        calls += [
            lambda: ours.batch([PutOp(namespace, "k", {})]),
            lambda: ours.delete(namespace, "k"),
            lambda: asyncio.run(ours.adelete(namespace, "k")),
        ]
    if namespace not in [(), ("langgraph", "x")]:
        calls += [
            lambda: ours.search(namespace),
            lambda: ours.get(namespace, "k"),
            lambda: asyncio.run(ours.asearch(namespace)),
            lambda: asyncio.run(ours.aget(namespace, "k")),
        ]
    for call in calls:
        with pytest.raises(InvalidNamespaceError) as raised:
            call()
        assert isinstance(raised.value, InvalidInputError)


def test_a_path_of_one_label_may_be_a_string(ours):
    for path in (("u1", "x"), ("u10", "x"), ("x", "u1")):
        ours.put(path, "k", {})
    for kind, expected in (("prefix", [("u1", "x")]), ("suffix", [("x", "u1")])):
        assert ours.batch([ListNamespacesOp((MatchCondition(kind, "u1"),))]) == [expected]
    for path in (("u", 1), ("u", ""), 7):
        with pytest.raises(InvalidNamespaceError):
            ours.batch([ListNamespacesOp((MatchCondition("suffix", path),))])


def test_a_batch_may_use_the_label_that_langgraph_reserves(ours):
    ours.batch([PutOp(("langgraph", "x"), "k", {"n": 1})])
    assert ours.get(("langgraph", "x"), "k").value == {"n": 1}
    ours.delete(("langgraph", "x"), "k")
    assert ours.list_namespaces() == []


def test_half_of_a_surrogate_pair_is_refused(ours):
    with pytest.raises(InvalidInputError):
        ours.put(("\ud800",), "k", {})
    ours.put(("u",), "", {"n": 1})
    assert ours.get(("u",), "").value == {"n": 1}


CYCLE = {}
CYCLE["self"] = CYCLE
BAD = [{"n": math.nan}, {"m": Note("tea", {1: 2})}, {1: "a"}, {"a": {2: "b"}}, {"s": {1}}]
BAD += [CYCLE, ["a"], [("a", 1)], "text", 7, {"a": "\ud800"}, {"b": b"x"}, {"a": [{None: 1}]}]


@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
def test_what_is_no_json_is_refused_with_the_whole_batch(ours, value):
    with pytest.raises(InvalidInputError, match="JSON"):
        ours.batch([PutOp(("u",), "good", {"n": 1}), PutOp(("u",), "bad", value)])
    assert ours.search(()) == []


AT = datetime(2024, 3, 4, 5, 6, 7, 89, tzinfo=timezone.utc)
CONVERTED = {
    "at": (AT, "2024-03-04T05:06:07.000089+00:00"),
    "naive": (AT.replace(tzinfo=None, microsecond=0), "2024-03-04T05:06:07"),
    "east": (AT.astimezone(timezone(timedelta(hours=8))), "2024-03-04T13:06:07.000089+08:00"),
    "day": (date(2024, 3, 4), "2024-03-04"),
    "time": (dtime(5, 6), "05:06:00"),
    "id": (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    "note": (Note("茶", date(2024, 3, 4)), {"text": "茶", "day": "2024-03-04"}),
    "mood": (Mood.GOOD, "good"),
    "pair": ((1, AT.date()), [1, "2024-03-04"]),
    "deep": ([{"a": {"b": [UUID(int=7)]}}], [{"a": {"b": [str(UUID(int=7))]}}]),
    "view": (MappingProxyType({"day": AT.date()}), {"day": "2024-03-04"}),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_values_are_converted_as_langgraphs_store_in_a_file_does(ours, name):
    value, expected = CONVERTED[name]
    ours.put(("u",), "k", {"v": value}, index=["v"])
    assert ours.get(("u",), "k").value == {"v": expected}
    assert ours.search((), query="tea")[0].value == {"v": expected}
    if name == "view":  # the other refuses a mapping that is not a dictionary
        return
    sqlite = pytest.importorskip("langgraph.store.sqlite")
    with sqlite.SqliteStore.from_conn_string(":memory:") as theirs:
        theirs.put(("u",), "k", {"v": value})
        assert theirs.get(("u",), "k").value == {"v": expected}


def test_filters_are_converted_as_values_are(ours):
    for day in (3, 4, 5):
        value = {"on": date(2024, 3, day), "id": UUID(int=day), "in": {"mood": Mood.GOOD}}
        ours.put(("u",), f"{day}", value)
    assert names(ours.search((), filter={"on": {"$gt": date(2024, 3, 3)}})) == ["5", "4"]
    assert names(ours.search((), filter={"id": UUID(int=4)})) == ["4"]
    assert len(ours.search((), filter={"in": {"mood": Mood.GOOD}})) == 3
    for filter in ({1: 2}, ["id"], {"id": object()}, {"id": {"$gt": {1, 2}}}):
        with pytest.raises(InvalidInputError, match="filter"):
            ours.search((), filter=filter)


def test_a_filter_may_name_a_path(ours):
    ours.put(("u",), "a", {"user": {"level-1": {"n": 1}}})
    ours.put(("u",), "b", {"user.level-1": 2, "user": {"level-1": 3}})
    assert names(ours.search((), filter={"user.level-1.n": 1})) == ["a"]
    assert names(ours.search((), filter={"user.level-1": 2})) == ["b"]
    assert names(ours.search((), filter={"user.none.n": None})) == ["b", "a"]


def test_copies_share_the_bank(bank):
    store = MemoryBankStore(bank, user_id=7)
    copied = copy.deepcopy({"store": store})["store"]
    copied.put(("likes",), "tea", {"text": "black"})
    assert copied.bank is bank
    assert store.get(("likes",), "tea").value == {"text": "black"}


def test_any_mapping_is_a_value_and_nothing_is_shared_with_the_caller(ours):
    value = {"list": [1], "pair": (1, 2)}
    ours.put(("u",), "k", MappingProxyType(value))
    value["list"].append(2)
    read = ours.get(("u",), "k").value
    assert read == {"list": [1], "pair": [1, 2]}
    assert isinstance(read, Mapping)
    read["list"].append(3)
    assert ours.get(("u",), "k").value["list"] == [1]


def test_options_that_cannot_be_are_refused(ours, bank):
    for call in (
        lambda: ours.put(("u",), "k", {}, index="text"),
        lambda: ours.put(("u",), "k", {}, index=[1]),
        lambda: ours.put(("u",), "k", {}, ttl=0),
        lambda: ours.put(("u",), "k", {}, ttl=math.nan),
        lambda: ours.put(("u",), "k", {}, ttl=1e12),
        lambda: ours.put(("u",), "k", {}, ttl="5"),
        lambda: ours.search((), limit=-1),
        lambda: ours.search((), offset=-1),
        lambda: ours.list_namespaces(limit=-1),
        lambda: ours.list_namespaces(prefix=("u", 1)),
        lambda: ours.batch([("u", "k")]),
        lambda: ours.batch([ListNamespacesOp((MatchCondition("middle", ("u",)),))]),
        lambda: MemoryBankStore(bank, index_fields="text"),
    ):
        with pytest.raises(InvalidInputError):
            call()
    assert ours.search(()) == []


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, 1e12, "5", True])
def test_a_bad_time_to_live_is_refused_by_every_call(ours, ttl):
    for call in (
        lambda: ours.put(("u",), "k", {}, ttl=ttl),
        lambda: ours.batch([PutOp(("u",), "k", {}, ttl=ttl)]),
        lambda: asyncio.run(ours.aput(("u",), "k", {}, ttl=ttl)),
        lambda: asyncio.run(ours.abatch([PutOp(("u",), "k", {}, ttl=ttl)])),
    ):
        with pytest.raises(InvalidInputError, match="ttl"):
            call()
    assert ours.search(()) == []


def test_the_last_updated_come_first_and_keep_the_time_of_their_creation(ours):
    for key in "abc":
        ours.put(("u", key), key, {"n": 1})
    first = ours.get(("u", "a"), "a")
    ours.put(("u", "a"), "a", {"n": 2})
    assert names(ours.search(("u",))) == ["a", "c", "b"]
    again = ours.get(("u", "a"), "a")
    assert again.created_at == first.created_at == first.updated_at < again.updated_at


def test_fields_to_index_are_the_stores_unless_put_says(bank):
    store = MemoryBankStore(bank, index_fields=["title"])
    store.put(("u",), "a", {"title": "green tea", "body": "coffee"})
    store.put(("u",), "b", {"title": "coffee", "body": "green tea"}, index=["body"])
    store.put(("u",), "c", {"body": "green tea"})
    store.put(("u",), "d", {"title": " ", "body": "green tea"})
    MemoryBankStore(bank, index_fields=()).put(("u",), "e", {"title": "green tea"})
    scores = {item.key: item.score for item in store.search((), query="green tea")}
    assert [key for key, score in scores.items() if score] == ["b", "a"]
    assert scores.keys() == set("abcde")


def test_an_item_written_again_is_found_by_its_new_text_alone(ours):
    ours.put(("u",), "k", {"a": "green tea", "b": "rain"}, index=["a", "b"])
    ours.put(("u",), "k", {"b": "rain"}, index=["a", "b"])
    assert ours.search((), query="green tea")[0].score == 0.0
    ours.put(("u",), "k", {"b": "rain"}, index=False)
    assert ours.search((), query="rain")[0].score is None


def test_of_a_long_text_the_best_window_counts(ours):
    ours.put(
        ("u",), "long", {"t": "The bus was late. " * 400 + "Nora plays the cello."}, index=["t"]
    )
    ours.put(("u",), "other", {"t": "The bus was late."}, index=["t"])
    assert names(ours.search((), query="Nora cello"))[0] == "long"


# Time to live


def rows(bank, statement):
    """Return the rows of a statement that bypasses the store."""
    if is_url(bank.store.path):
        import psycopg

        opened = psycopg.connect(bank.store.path, options="-c search_path=memorybank")
    else:
        opened = sqlite3.connect(bank.store.path)
    with closing(opened) as db, db:
        done = db.execute(statement)
        return done.fetchall() if done.description else []


def expiries(bank):
    return dict(rows(bank, "SELECT key, expires_at FROM items"))


def minutes_left(bank, key):
    return (expiries(bank)[key] / 1e6 - time.time()) / 60


def test_an_expired_item_is_gone_at_once_and_swept_by_the_next_write(ours, bank):
    ours.put(("u", "x"), "k", {"text": "tea"}, ttl=5)
    assert ours.get(("u", "x"), "k") is not None
    rows(bank, "UPDATE items SET expires_at = 1 RETURNING key")
    assert ours.get(("u", "x"), "k") is None
    assert ours.search(()) == ours.search((), query="tea") == ours.list_namespaces() == []
    ours.put(("u",), "other", {})
    assert expiries(bank) == {"other": None}
    ours.put(("u", "x"), "k", {})
    assert ours.get(("u", "x"), "k") is not None


def test_time_runs_out_by_itself(ours):
    ours.put(("u",), "k", {}, ttl=0.2 / 60)
    deadline = time.monotonic() + 20
    while ours.search((), refresh_ttl=False):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ours.get(("u",), "k") is None


def test_reading_restarts_the_time_unless_disabled(bank):
    def shortened():
        at = int((time.time() + 60) * 1e6)
        rows(bank, f"UPDATE items SET expires_at = {at} RETURNING key")

    always, never = MemoryBankStore(bank), MemoryBankStore(bank, ttl={"refresh_on_read": False})
    always.put(("u",), "k", {}, ttl=10)
    for read, left in (
        (lambda: always.get(("u",), "k"), 10),
        (lambda: always.get(("u",), "k", refresh_ttl=False), 1),
        (lambda: always.search(("u",)), 10),
        (lambda: always.search(("u",), refresh_ttl=False), 1),
        (lambda: always.search(("u",), offset=1), 1),
        (lambda: never.get(("u",), "k"), 1),
        (lambda: never.search(("u",)), 1),
        (lambda: never.search(("u",), refresh_ttl=True), 10),
        (lambda: never.batch([GetOp(("u",), "k")]), 10),
    ):
        shortened()
        read()
        assert minutes_left(bank, "k") == pytest.approx(left, abs=0.5)


def test_the_default_time_holds_where_put_says_nothing(bank):
    store = MemoryBankStore(bank, ttl={"default_ttl": 10})
    store.put(("u",), "default", {})
    store.put(("u",), "mine", {}, ttl=2)
    store.put(("u",), "never", {}, ttl=None)
    asyncio.run(store.aput(("u",), "async", {}))
    assert minutes_left(bank, "default") == pytest.approx(10, abs=0.5)
    assert minutes_left(bank, "async") == pytest.approx(10, abs=0.5)
    assert minutes_left(bank, "mine") == pytest.approx(2, abs=0.5)
    assert expiries(bank)["never"] is None
    store.put(("u",), "mine", {}, ttl=None)
    assert expiries(bank)["mine"] is None


# The file, or the database


def test_everything_is_there_after_reopening_and_for_other_handles(place):
    with open_bank(place) as first, open_bank(place) as second:
        MemoryBankStore(first).put((ALICE,), "k", {"text": "green tea"})
        other = MemoryBankStore(second)
        assert other.search((ALICE,), query="tea")[0].score > 0.5
        other.put((ALICE,), "k", {"text": "rain"})
        assert MemoryBankStore(first).get((ALICE,), "k").value == {"text": "rain"}
    with open_bank(place) as again:
        assert MemoryBankStore(again).get((ALICE,), "k").value == {"text": "rain"}


def test_another_process_reads_and_writes_the_same_items(ours, bank):
    ours.put((ALICE,), "k", {"n": 1})
    code = """
import sys
from memorybank_core import MemoryBank
from memorybank_langchain import MemoryBankStore
with MemoryBank.open(sys.argv[1]) as bank:
    store = MemoryBankStore(bank)
    n = store.get((sys.argv[2],), "k").value["n"]
    store.put((sys.argv[2],), "k", {"n": n + 1})
"""
    arguments = [sys.executable, "-c", code, str(bank.store.path), ALICE]
    subprocess.run(arguments, check=True, cwd=Path(__file__).parents[2])
    assert ours.get((ALICE,), "k").value == {"n": 2}


def test_deleting_leaves_no_byte_in_a_file(folder):
    files = lambda: sorted(folder.iterdir())  # noqa: E731
    on_disk = lambda: subprocess.run(["cat", *files()], capture_output=True, check=True).stdout  # noqa: E731
    with open_bank(folder / "bank.db") as bank:
        ours = MemoryBankStore(bank)
        ours.put(("canary-label",), "canary-key", {"text": "canary-value " + "x" * 9000})
        ours.put(("u",), "budgie", {"text": "budgie-value"})
        assert b"canary-value" in on_disk()
        ours.delete(("canary-label",), "canary-key")
        assert b"canary" not in on_disk()
        assert b"budgie-value" in on_disk()


def test_threads_at_once(ours):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: ours.put(("u", f"{n % 3}"), f"{n}", {"n": n}), range(60)))
        items = list(threads.map(lambda n: ours.get(("u", f"{n % 3}"), f"{n}"), range(60)))
    assert [item.value["n"] for item in items] == list(range(60))
    assert len(ours.search(("u",), limit=99)) == 60


def test_after_a_change_of_the_embedder_items_are_embedded_by_the_next_search(place):
    with open_bank(place) as bank:
        store = MemoryBankStore(bank)
        for n in range(70):
            store.put(("u",), f"{n}", {"text": f"fact number {n}"}, index=["text"])
        store.put(("u",), "none", {"text": "fact number 77"}, index=False)
        store.put(("u",), "blank", {"text": ""}, index=["text"])
    reembed(place, HashingEmbedder(64))
    with open_bank(place, HashingEmbedder(64)) as bank:
        items = MemoryBankStore(bank).search((), query="fact number 42", limit=99)
        assert items[0].key == "42"
        assert items[0].score == pytest.approx(1.0, abs=1e-6)
        assert {item.key for item in items if item.score is None} == {"none", "blank"}
        now = datetime.now(timezone.utc)
        assert bank.store.items.unembedded((), now) == []


def test_where_the_embedder_fails_nothing_is_stored(place):
    class Failing(HashingEmbedder):
        def embed_documents(self, texts):
            raise OSError("out of reach")

    with open_bank(place, Failing()) as bank:
        store = MemoryBankStore(bank)
        with pytest.raises(EmbedderError, match="out of reach"):
            store.batch([PutOp(("u",), "a", {}, index=False), PutOp(("u",), "b", {"t": "tea"})])
        assert store.search(()) == []
        store.put(("u",), "a", {}, index=False)
        assert len(store.search(())) == 1


FAILING = [
    GetOp(("u", ""), "k"),
    SearchOp(("u",), limit=-1),
    SearchOp(("u",), filter={"n": {"$near": 1}}),
    ListNamespacesOp(limit=-1),
    PutOp(("u",), "bad", {"n": math.nan}),
    PutOp(("u",), "bad", {}, ttl=-1),
    PutOp((), "bad", {}),
    "no operation",
]


@pytest.mark.parametrize("failing", FAILING, ids=range(len(FAILING)))
def test_a_batch_that_fails_changes_nothing(ours, bank, failing):
    ours.put(("u",), "k", {"n": 1}, ttl=10)
    ours.put(("u",), "gone", {"n": 1})
    before = rows(bank, "SELECT key, value, expires_at FROM items ORDER BY key")
    with pytest.raises(InvalidInputError):
        ours.batch(
            [
                GetOp(("u",), "k"),
                SearchOp(("u",)),
                PutOp(("u",), "k", {"n": 2}),
                PutOp(("u",), "gone", None),
                PutOp(("u",), "new", {"n": 1}),
                failing,
            ]
        )
    assert rows(bank, "SELECT key, value, expires_at FROM items ORDER BY key") == before


def test_if_writing_fails_no_time_to_live_has_started_again(ours, bank):
    ours.put(("u",), "k", {"n": 1}, ttl=10)
    before = expiries(bank)
    if is_url(bank.store.path):
        rows(bank, "ALTER TABLE items ADD CONSTRAINT no_new CHECK (key <> 'new')")
    else:
        code = "BEGIN SELECT raise(ABORT, 'refused'); END"
        rows(bank, f"CREATE TRIGGER no_new BEFORE INSERT ON items WHEN new.key = 'new' {code}")
    try:
        with pytest.raises(StoreError):
            ours.batch([GetOp(("u",), "k"), SearchOp(("u",)), PutOp(("u",), "new", {})])
    finally:
        if is_url(bank.store.path):
            rows(bank, "ALTER TABLE items DROP CONSTRAINT no_new")
    assert expiries(bank) == before
    assert ours.list_namespaces() == [("u",)]


def test_injection_leaves_the_table_as_it_is(ours, bank):
    hostile = "x'); DROP TABLE items; --"
    ours.put((hostile, hostile), hostile, {hostile: hostile}, index=[hostile])
    assert len(ours.search((hostile,), filter={hostile: hostile}, query=hostile)) == 1
    assert rows(bank, "SELECT count(*) FROM items") == [(1,)]


# In graphs and agents


class State(TypedDict):
    user: str
    seen: int


def visit(state: State, *, store: BaseStore):
    item = store.get((state["user"], "visits"), "count")
    seen = 1 + (item.value["seen"] if item else 0)
    store.put((state["user"], "visits"), "count", {"seen": seen})
    return {"seen": seen}


async def avisit(state: State, *, store: BaseStore):
    item = await store.aget((state["user"], "visits"), "count")
    seen = 1 + (item.value["seen"] if item else 0)
    await store.aput((state["user"], "visits"), "count", {"seen": seen})
    return {"seen": seen}


def test_in_a_compiled_graph(ours):
    def compiled(node):
        graph = StateGraph(State)
        graph.add_node("visit", node)
        graph.add_edge(START, "visit")
        graph.add_edge("visit", END)
        return graph.compile(store=ours)

    assert [compiled(visit).invoke({"user": ALICE})["seen"] for _ in range(2)] == [1, 2]
    assert asyncio.run(compiled(avisit).ainvoke({"user": ALICE}))["seen"] == 3
    assert compiled(visit).invoke({"user": "bob"})["seen"] == 1


@tool
def note(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Keeps a note."""
    store.put((ALICE, "notes"), text.split()[0], {"text": text})
    return "kept"


@tool
def look(query: str) -> str:
    """Finds a note."""
    return get_store().search((ALICE, "notes"), query=query, limit=1)[0].value["text"]


def called(name, **args):
    return AIMessage("", tool_calls=[ToolCall(name=name, args=args, id=f"{name}-{args}")])


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_tools_of_an_agent_write_and_read(ours, way):
    script = [called("note", text="tea is green"), called("note", text="cats purr")]
    script += [called("look", query="green tea"), "Green."]
    agent = create_agent(Scripted(script=script), [note, look], store=ours)
    input = {"messages": [("user", "What is tea?")]}
    answer = getattr(agent, way)(input)
    messages = (asyncio.run(answer) if way == "ainvoke" else answer)["messages"]
    assert [message.content for message in messages if message.type == "tool"] == [
        "kept",
        "kept",
        "tea is green",
    ]
    assert keys(ours.search((ALICE,))) == [((ALICE, "notes"), "cats"), ((ALICE, "notes"), "tea")]
