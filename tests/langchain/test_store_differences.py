"""Where MemoryBankStore differs from LangGraph's stores on purpose, with the reason of each.

LangGraph's own tests of its stores (libs/checkpoint, checkpoint-sqlite and checkpoint-postgres)
pass on MemoryBankStore, except for those that read private attributes or tables, and for these:

| test of LangGraph | reason |
| --- | --- |
| test_cannot_put_empty_namespace, a label with "." | e-mail addresses are labels |
| test_no_running_loop | one class has both interfaces: a sync call works everywhere |
| test_sql_injection_vulnerability, test_filter_keys… | any key of a filter is safe |
| test_omit_expired_disabled_preserves_expired_rows | what has expired is never visible |
| test_scores, distance "l2" | scores are cosines; another distance is refused on opening |
"""

import asyncio
import time

import pytest

pytest.importorskip("langgraph", reason="langgraph is not installed")

from memorybank_core import ConfigurationError, MemoryBank
from memorybank_langchain import MemoryBankStore


@pytest.fixture
def store(folder):
    with MemoryBank.open(folder / "bank.db", embedder="hashing") as bank:
        yield MemoryBankStore(bank)


def test_a_label_may_have_a_period(store):
    store.put(("alice@example.com", "v1.2"), "k", {"n": 1})
    assert store.get(("alice@example.com", "v1.2"), "k").value == {"n": 1}
    assert store.list_namespaces(prefix=("alice@example.com",)) == [("alice@example.com", "v1.2")]
    assert store.search(("alice@example",)) == []


def test_sync_calls_work_in_an_event_loop(store):
    async def use():
        store.put(("u",), "k", {"n": 1})
        assert (await store.aget(("u",), "k")).value == {"n": 1}
        return store.get(("u",), "k").value

    assert asyncio.run(use()) == {"n": 1}


def test_any_key_of_a_filter_is_safe(store):
    hostile = "access') = 'public' OR '1'='1' OR json_extract(value, '$."
    store.put(("u",), "private", {"access": "private"})
    store.put(("u",), "odd", {hostile: "public"})
    found = store.search((), filter={hostile: "public"})
    assert [item.key for item in found] == ["odd"]


@pytest.mark.parametrize("omit", [{}, {"omit_expired": False}, {"omit_expired": True}])
def test_what_has_expired_is_never_visible(store, omit):
    store.ttl_config = {"refresh_on_read": True, **omit}
    store.put(("u",), "gone", {"n": 1}, ttl=0.001 / 60)
    store.put(("u", "x"), "kept", {"n": 1})
    time.sleep(0.01)
    assert store.get(("u",), "gone", refresh_ttl=True) is None
    assert [item.key for item in store.search((), refresh_ttl=True)] == ["kept"]
    assert store.list_namespaces() == [("u", "x")]
    pages = [store.search((), limit=1, offset=offset) for offset in (0, 1)]
    assert [[item.key for item in page] for page in pages] == [["kept"], []]


def test_another_distance_is_refused(folder):
    index = {"embed": "hashing", "distance_type": "l2"}
    opening = MemoryBankStore.from_conn_string(str(folder / "b.db"), index=index)
    with pytest.raises(ConfigurationError, match="cosine"), opening:
        pass
