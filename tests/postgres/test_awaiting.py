"""The native async twins of the store do what the others do, many at once, and mend themselves."""

import asyncio
import inspect
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg

from memorybank_core import EmbedderMismatchError, StoreClosedError
from memorybank_core.protocols import MemoryStore
from memorybank_core.records import Portrait
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.testing.examples import ADA, ALL, EAST, LAW, NOON, ids, probe, said

WHOLE = {"items", "users", "stats", "compact", "close"}


@pytest.fixture(scope="module")
def url(postgres):
    return postgres.new()


def opened(url, **options):
    return PostgresStore(url, embedder="by-hand", dimension=3, **options)


def test_every_call_about_a_user_has_a_twin():
    verbs = {name for name in vars(MemoryStore) if not name.startswith("_")} - WHOLE
    for name in verbs:
        twin = getattr(PostgresStore, f"a{name}")
        assert inspect.iscoroutinefunction(twin)
        assert twin.__name__ == f"a{name}"
        assert inspect.signature(twin) == inspect.signature(getattr(PostgresStore, name))


def test_the_twins_do_the_same(url):
    async def talk(store):
        await store.aadd(ADA, [said("a tea"), said("b")], [EAST, EAST])
        assert await store.astrengthen(ADA, ["a"], NOON, "t", LAW) == 1
        assert await store.astrengthen(ADA, ["a"], NOON, "t", LAW) == 0
        await store.aset_digests(ADA, [Portrait(ADA, "shy", None, None, NOON)])
        columns = await store.acandidates(ADA, probe("tea"))
        for name in ("key", "lexical", "strength"):
            expected = getattr(store.candidates(ADA, probe("tea")), name)
            assert np.array_equal(getattr(columns, name), expected)
        assert ids(await store.amemories(ADA, ALL)) == ["a", "b"]
        assert await store.adigests(ADA) == store.digests(ADA)
        receipt = await store.adelete(ADA, ids=["b"])
        assert (receipt.memories, receipt.remaining) == (1, 1)
        await store.aclose()
        with pytest.raises(StoreClosedError):
            store.memories(ADA, ALL)

    asyncio.run(talk(opened(url)))


def test_many_at_once_on_few_connections_while_some_are_cut(url):
    async def add(store, number):
        user = f"user-{number % 7}"
        await store.aadd(user, [said(f"{number}", user=user)], [EAST])
        await store.astrengthen(user, [f"{number}"], NOON, None, LAW)
        return user

    async def cut(store):
        db = await psycopg.AsyncConnection.connect(url, autocommit=True)
        for _ in range(10):
            await asyncio.sleep(0.02)
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 2"
            )
        await db.close()

    async def talk():
        store = opened(url, pool_size=4, timeout=30)
        users = await asyncio.gather(*(add(store, number) for number in range(150)), cut(store))
        for user in set(users[:-1]):
            memories = await store.amemories(user, ALL)
            assert len(memories) == users.count(user)
            assert {memory.recalls for memory in memories} == {1}
        await store.aclose()

    asyncio.run(talk())


def test_a_store_may_be_awaited_in_one_loop_after_another(url):
    with closing(opened(url)) as store:

        async def look():
            try:
                return await store.aspan("nobody")
            finally:
                await store._awaiting.close()

        assert asyncio.run(look()) is asyncio.run(look()) is None


def test_another_embedder_is_noticed(url):
    async def search():
        store = opened(url)
        try:
            with psycopg.connect(url) as db:
                db.execute("UPDATE memorybank.meta SET value = 'new' WHERE name = 'embedder'")
            with pytest.raises(EmbedderMismatchError):
                await store.acandidates(ADA, probe())
        finally:
            with psycopg.connect(url) as db:
                db.execute("UPDATE memorybank.meta SET value = 'by-hand' WHERE name = 'embedder'")
            await store.aclose()

    asyncio.run(search())
