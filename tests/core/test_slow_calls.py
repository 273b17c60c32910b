"""Slow embedders and language models hold no lock and no connection, in a file and a database."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.testing import FakeLLM

ADA = "ada@example.com"
NOON = datetime(2026, 3, 10, 12, tzinfo=timezone.utc)
PATIENCE = 60  # seconds until a call that waits for another one fails the test


class Gate:
    """Stops the calls that mention "slow" until it is opened."""

    def __init__(self):
        self.reached, self._open = threading.Event(), threading.Event()

    def pass_through(self, text):
        if "slow" in text:
            self.reached.set()
            assert self._open.wait(PATIENCE)

    def open(self):
        self._open.set()


class SlowEmbedder(HashingEmbedder):
    def __init__(self, gate):
        super().__init__()
        self._gate = gate

    def embed_documents(self, texts):
        self._gate.pass_through(" ".join(texts))
        return super().embed_documents(texts)


class SlowLLM(FakeLLM):
    def __init__(self, gate):
        super().__init__(["Tea was mentioned."])
        self._gate = gate

    def complete(self, messages, **options):
        self._gate.pass_through("slow")
        return super().complete(messages, **options)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


def tea(id="tea"):
    return Turn("I like tea.", at=NOON, id=id)


def test_a_slow_embedder_does_not_stop_other_calls(place, gate):
    options = {"pool_size": 1} if "://" in str(place) else {}
    with (
        MemoryBank.open(place, embedder=SlowEmbedder(gate), **options) as bank,
        ThreadPoolExecutor(2) as threads,
    ):
        bank.add([tea()], user_id=ADA)
        slow = threads.submit(bank.add, [Turn("a slow one", at=NOON, id="slow")], user_id=ADA)
        assert gate.reached.wait(PATIENCE)
        for call in (
            lambda: bank.search("tea", user_id=ADA),
            lambda: bank.add([tea("more")], user_id=ADA),
            lambda: bank.begin_turn("tea", user_id=ADA, now=NOON).complete("Yes."),
            lambda: bank.delete(user_id=ADA, ids=["tea"]),
        ):
            threads.submit(call).result(PATIENCE)
        gate.open()
        assert slow.result(PATIENCE).added == 1
        assert bank.get(["slow", "more", "tea"], user_id=ADA).keys() == {"slow", "more"}


def test_what_is_deleted_during_a_digest_is_not_digested(place, gate):
    with (
        MemoryBank.open(place, embedder=HashingEmbedder(), llm=SlowLLM(gate)) as bank,
        ThreadPoolExecutor(2) as threads,
    ):
        bank.add([tea()], user_id=ADA)
        digest = threads.submit(bank.summarize, user_id=ADA)
        assert gate.reached.wait(PATIENCE)
        threads.submit(bank.delete, user_id=ADA).result(PATIENCE)
        gate.open()
        digest.result(PATIENCE)
        assert bank.digests(user_id=ADA) == []
        assert bank.timeline(user_id=ADA) == []


def test_deleting_twice_at_once(place):
    with MemoryBank.open(place, embedder=HashingEmbedder()) as bank:
        bank.add([tea(f"tea-{number}") for number in range(50)], user_id=ADA)
        barrier = threading.Barrier(4)

        def delete():
            barrier.wait(PATIENCE)
            return bank.delete(user_id=ADA)

        with ThreadPoolExecutor(4) as threads:
            receipts = [future.result() for future in [threads.submit(delete) for _ in range(4)]]
        assert sum(receipt.memories for receipt in receipts) == 50
        assert {receipt.remaining for receipt in receipts} == {0}
