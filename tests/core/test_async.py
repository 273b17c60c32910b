"""Async twins of the bank's methods: same signature and results, and a free event loop."""

import asyncio
import inspect
import time
from datetime import datetime, timezone

import pytest

from memorybank_core import HashingEmbedder, InvalidInputError, MemoryBank, Turn

WITHOUT_TWIN = {"open", "day_of", "resume_turn"}
"""Methods without a twin: a class method, and computations without I/O."""


class SlowEmbedder(HashingEmbedder):
    """Embedder that blocks its thread for a while, as a model does."""

    def embed_documents(self, texts):
        time.sleep(0.3)
        return super().embed_documents(texts)

    def embed_query(self, text):
        time.sleep(0.3 if text == "slow" else 0.0)
        return super().embed_query(text)


def sync_methods():
    """Yield the names of the public sync methods."""
    for name, method in inspect.getmembers(MemoryBank, inspect.isfunction):
        if not name.startswith("_") and not inspect.iscoroutinefunction(method):
            yield name


@pytest.mark.parametrize("name", sorted(set(sync_methods()) - WITHOUT_TWIN))
def test_every_method_has_an_async_twin(name):
    method, twin = getattr(MemoryBank, name), getattr(MemoryBank, f"a{name}")
    assert inspect.iscoroutinefunction(twin)
    assert inspect.signature(twin) == inspect.signature(method)
    assert twin.__qualname__ == method.__qualname__.replace(f".{name}", f".a{name}")


def test_every_coroutine_is_the_twin_of_a_method():
    coroutines = inspect.getmembers(MemoryBank, inspect.iscoroutinefunction)
    assert {name[1:] for name, _ in coroutines if name[0] != "_"} == set(
        sync_methods()
    ) - WITHOUT_TWIN


async def longest_pause(work):
    """Await `work` next to a ticker; return the longest pause between two ticks."""
    task, longest, last = asyncio.ensure_future(work), 0.0, time.monotonic()
    while not task.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await task
    return longest


def test_a_slow_embedder_does_not_block_the_event_loop(tmp_path):
    with MemoryBank.open(tmp_path / "bank.db", embedder=SlowEmbedder()) as bank:
        start = time.monotonic()
        pause = asyncio.run(longest_pause(bank.aadd([Turn("tea")], user_id="ada")))
        assert time.monotonic() - start > 0.29
        assert pause < 0.2
        assert asyncio.run(longest_pause(bank.asearch("slow", user_id="ada"))) < 0.2


def test_concurrent_adds_are_all_stored(tmp_path):
    async def add_all(bank):
        calls = (bank.aadd([Turn(f"turn {n}", id=f"{n}")], user_id="ada") for n in range(20))
        return await asyncio.gather(*calls)

    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        receipts = asyncio.run(add_all(bank))
        assert [receipt.ids for receipt in receipts] == [(f"{n}",) for n in range(20)]
        stored = {memory.id for memory in bank.timeline(user_id="ada")}
        assert stored == {f"{n}" for n in range(20)}


def test_results_and_errors_are_those_of_the_sync_method(tmp_path):
    async def use():
        await bank.aadd([Turn("tea", id="a")], user_id="ada")
        arguments = {"query": "tea", "user_id": "ada", "now": datetime.now(timezone.utc)}
        assert await bank.asearch(**arguments) == bank.search(**arguments) != []
        assert await bank.areinforce(["a"], user_id="ada") == 1
        assert (await bank.adelete(user_id="ada", ids=["a"])).memories == 1
        with pytest.raises(InvalidInputError, match="query"):
            await bank.asearch("", user_id="ada")
        await bank.aclose()

    bank = MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder())
    asyncio.run(use())


def test_a_cancelled_add_stores_all_turns_or_none(tmp_path):
    async def cancel():
        task = asyncio.ensure_future(bank.aadd([Turn("a"), Turn("b")], user_id="ada"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with MemoryBank.open(tmp_path / "bank.db", embedder=SlowEmbedder()) as bank:
        asyncio.run(cancel())  # returns when the thread has ended
        assert bank.stats().memories in (0, 2)
