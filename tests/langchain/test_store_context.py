"""Opening MemoryBankStore from a connection string, its context managers and its sweeper."""

import asyncio
import gc
import threading
import time
from contextlib import closing
from datetime import datetime, timezone

import pytest

pytest.importorskip("langgraph", reason="langgraph is not installed")

from langgraph.store.base import BaseStore

from memorybank_core import (
    ConfigurationError,
    EmbedderMismatchError,
    HashingEmbedder,
    InvalidInputError,
    MemoryBank,
)
from memorybank_core.errors import StoreClosedError
from memorybank_core.protocols import Item
from memorybank_langchain import MemoryBankEmbeddings, MemoryBankStore

HASHING = {"embed": "hashing"}
LONG_AGO = datetime(2000, 1, 1, tzinfo=timezone.utc)  # nothing had expired then


def embed_lengths(texts):
    """Return a vector of the number of characters and of words."""
    return [[float(len(text)), float(len(text.split())) + 1.0] for text in texts]


async def aembed_lengths(texts):
    return embed_lengths(texts)


def test_with_opens_a_bank_and_closes_it(place):
    with MemoryBankStore.from_conn_string(str(place), index=HASHING) as store:
        assert isinstance(store, BaseStore)
        store.setup()
        store.put(("u",), "k", {"text": "green tea"})
    with pytest.raises(StoreClosedError):
        store.get(("u",), "k")
    with MemoryBankStore.from_conn_string(str(place)) as store:  # the embedder that wrote it
        assert store.search((), query="tea")[0].value == {"text": "green tea"}


def test_async_with_opens_a_bank_and_closes_it_in_a_thread(place):
    async def use():
        loop_thread, opened = threading.current_thread(), []

        class Recorded(MemoryBankStore):
            def __init__(self, bank, **options):
                opened.append(threading.current_thread())
                super().__init__(bank, **options)

        async with Recorded.from_conn_string(str(place), index=HASHING) as store:
            await store.asetup()
            await store.aput(("u",), "k", {"n": 1})
            assert (await store.aget(("u",), "k")).value == {"n": 1}
        with pytest.raises(StoreClosedError):
            await store.aget(("u",), "k")
        assert opened != [loop_thread]

    asyncio.run(use())


def test_an_error_inside_closes_the_bank_too(folder):
    with (
        pytest.raises(ZeroDivisionError),
        MemoryBankStore.from_conn_string(str(folder / "a.db"), index=HASHING) as store,
    ):
        1 / 0  # noqa: B018
    with pytest.raises(StoreClosedError):
        store.search(())


def test_index_options_are_those_of_langgraph(folder):
    index = {"dims": 256, "embed": MemoryBankEmbeddings("hashing"), "fields": ["text"]}
    with MemoryBankStore.from_conn_string(str(folder / "a.db"), index=index) as store:
        assert store.index_config == index
        store.put(("u",), "a", {"text": "tea", "other": "coffee"})
        assert store.search((), query="coffee")[0].score == 0.0
    index = {"embed": HashingEmbedder(), "text_fields": ["other"], "distance_type": "cosine"}
    with MemoryBankStore.from_conn_string(str(folder / "a.db"), index=index) as store:
        store.put(("u",), "b", {"text": "tea", "other": "coffee"})
        assert store.search((), query="coffee")[0].key == "b"
        assert store.index_config["dims"] == 256


@pytest.mark.parametrize("embed", [embed_lengths, aembed_lengths])
def test_a_function_may_embed(folder, embed):
    index = {"dims": 2, "embed": embed, "fields": ["t"]}
    with MemoryBankStore.from_conn_string(str(folder / "a.db"), index=index) as store:
        store.put(("u",), "short", {"t": "a b c"})
        store.put(("u",), "long", {"t": "abcdefghi"})
        assert [item.key for item in store.search((), query="a b c")] == ["short", "long"]

        async def search():
            return await store.asearch((), query="abcdefghi")

        assert [item.key for item in asyncio.run(search())] == ["long", "short"]
    with (
        pytest.raises(EmbedderMismatchError),
        MemoryBankStore.from_conn_string(str(folder / "a.db"), index=HASHING),
    ):
        pass


@pytest.mark.parametrize(
    ("index", "fault"),
    [
        ({"embed": "hashing", "dims": 7}, "dims is 7.*256"),
        ({"embed": "hashing", "distance_type": "l2"}, "distance_type"),
        ({"embed": "hashing", "ann_index_config": {}}, "ann_index_config"),
        ({"embed": 7}, "embed"),
    ],
)
def test_options_that_cannot_be_met_are_refused(folder, index, fault):
    opening = MemoryBankStore.from_conn_string(str(folder / "a.db"), index=index)
    with pytest.raises(ConfigurationError, match=fault), opening:
        pass
    with (
        pytest.raises(InvalidInputError),
        MemoryBankStore.from_conn_string(str(folder / "b.db"), index={**HASHING, "fields": [1]}),
    ):
        pass
    with pytest.raises(ConfigurationError), MemoryBankStore.from_conn_string(":memory:"):
        pass


def test_a_store_of_an_open_bank_leaves_it_open(folder):
    with closing(MemoryBank.open(folder / "a.db", embedder="hashing")) as bank:
        with MemoryBankStore(bank, ttl={"sweep_interval_minutes": 1}) as store:
            sweeping = store.start_ttl_sweeper()

        async def again():
            async with store:
                return await store.aget(("u",), "k")

        assert sweeping.result(10) is None
        assert asyncio.run(again()) is None


def hold_expired(bank, *keys):
    """Store items that expired long ago."""
    old = MemoryBankStore(bank)
    for key in keys:
        old.put(("u", key), key, {"text": "tea"}, ttl=1e-6 / 60)


def count_rows(bank):
    """Return the number of stored items, expired ones included."""
    return len(bank.store.items.search((), LONG_AGO, limit=99))


def test_a_sweep_removes_expired_items_and_counts_them(place):
    with MemoryBank.open(place, embedder="hashing") as bank:
        store = MemoryBankStore(bank)
        hold_expired(bank, "a")
        store.put(("u",), "kept", {"text": "tea"}, ttl=10)
        hold_expired(bank, "b", "c")
        while store.search(("u", "c")):
            time.sleep(0.01)
        assert store.sweep_ttl() + asyncio.run(store.asweep_ttl()) >= 1
        assert count_rows(bank) == 1


def test_the_sweeper_runs_until_it_is_stopped(folder):
    with MemoryBank.open(folder / "a.db", embedder="hashing") as bank:
        store = MemoryBankStore(bank, ttl={"sweep_interval_minutes": 0.05 / 60})
        sweeping = store.start_ttl_sweeper()
        assert store.start_ttl_sweeper() is sweeping
        hold_expired(bank, "a")
        deadline = time.monotonic() + 20
        while count_rows(bank):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not sweeping.done()
        assert store.stop_ttl_sweeper(timeout=10)
        assert sweeping.done()
        assert store.stop_ttl_sweeper()
        assert asyncio.run(store.astop_ttl_sweeper())


def sweepers():
    return [thread for thread in threading.enumerate() if thread.name == "ttl-sweeper"]


def test_the_sweeper_ends_with_its_future_its_bank_and_its_store(folder):
    with MemoryBank.open(folder / "a.db", embedder="hashing") as bank:
        store = MemoryBankStore(bank, ttl={"default_ttl": 1})
        assert MemoryBankStore(bank).start_ttl_sweeper().done()  # it has no ttl
        assert store.start_ttl_sweeper().cancel()
        assert store.stop_ttl_sweeper(timeout=10)
        kept = store.start_ttl_sweeper()
        del store
        gc.collect()
        assert kept.result(10) is None
        last = MemoryBankStore(bank, ttl={"default_ttl": 1}).start_ttl_sweeper(0.05 / 60)
        del last
        store = MemoryBankStore(bank, ttl={"default_ttl": 1})
        sweeping = store.start_ttl_sweeper(0.05 / 60)
    assert sweeping.result(10) is None  # the bank is closed
    for thread in sweepers():
        thread.join(10)
        assert not thread.is_alive()


def test_a_sweep_that_fails_is_tried_again(folder, monkeypatch, caplog):
    with MemoryBank.open(folder / "a.db", embedder="hashing") as bank:
        calls, sweep = [], bank.store.items.sweep

        def fail_first(now):
            calls.append(now)
            if len(calls) == 1:
                raise ConfigurationError("disk on fire")
            return sweep(now)

        monkeypatch.setattr(bank.store.items, "sweep", fail_first)
        with MemoryBankStore(bank, ttl={"default_ttl": 1}) as store:
            store.start_ttl_sweeper(0.02 / 60)
            deadline = time.monotonic() + 20
            while len(calls) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert "disk on fire" in caplog.text


def test_a_swept_item_leaves_no_byte_in_a_file(folder):
    with MemoryBank.open(folder / "a.db", embedder="hashing") as bank:
        hold_expired(bank, "canary-key")
        assert isinstance(bank.store.items.search((), LONG_AGO, limit=1)[0][0], Item)
        time.sleep(0.01)
        assert MemoryBankStore(bank).sweep_ttl() == 1
        assert all(b"canary" not in path.read_bytes() for path in folder.iterdir())
