"""Bulk work: embedding, reading and writing overlap, in order, and an error loses nothing."""

import os
import threading
from datetime import datetime, timedelta, timezone

import pytest

from memorybank_core import EmbedderError, HashingEmbedder, MemoryBank, StoreError, Turn, moving
from memorybank_core.bulk import overlap
from memorybank_core.fingerprint import SENTENCE
from memorybank_core.ingest import embed_windows
from memorybank_core.json_format import import_json
from memorybank_core.moving import move
from memorybank_core.stores.reembed import reembed
from memorybank_core.stores.sqlite.store import LocalStore

MONDAY = datetime(2024, 3, 4, 9, tzinfo=timezone.utc)
WAIT = 30
"""Seconds after which a test fails in which nothing overlaps."""


class CountingEmbedder(HashingEmbedder):
    """Embedder that records the size of each call and the thread, and can fail at one call."""

    def __init__(self, fails_at=None, error=ValueError):
        super().__init__()
        self.fails_at, self.error = fails_at, error
        self.calls, self.threads = [], set()

    def embed_documents(self, texts):
        if texts == [SENTENCE]:  # opening a bank compares its fingerprint
            return super().embed_documents(texts)
        self.calls.append(len(texts))
        self.threads.add(threading.current_thread())
        if len(self.calls) == self.fails_at:
            raise self.error("embedder")
        return super().embed_documents(texts)


class SmallBatches(CountingEmbedder):
    batch_size = 4


def history(users=("ann",), turns=10):
    """Return JSON to import, with `turns` turns of each user."""
    days = [{"query": f"number {i}", "response": "yes"} for i in range(turns)]
    return {user: {"name": user, "history": {"2024-03-04": days}} for user in users}


def queries(bank, user="ann"):
    return [memory.turn.query for memory in bank.timeline(user_id=user)]


@pytest.fixture
def no_thread_remains():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


pytestmark = pytest.mark.usefixtures("no_thread_remains")


# The pipeline


def test_a_batch_is_made_while_the_one_before_is_written():
    begun, made, results = threading.Event(), threading.Event(), []

    def batches():
        yield 1
        assert begun.wait(WAIT)  # the write of 1 is in progress
        made.set()
        yield 2

    def write(batch):
        begun.set()
        assert made.wait(WAIT)  # 2 is made before the write of 1 ends
        return batch * 10

    overlap(batches(), write, results.append)
    assert results == [10, 20]


def test_two_batches_at_most_are_in_memory_and_writes_keep_their_order():
    made, written, at_once = [], [], []

    def batches():
        for number in range(20):
            made.append(number)
            at_once.append(len(made) - len(written))
            yield number

    overlap(batches(), written.append, lambda _: None)
    assert written == list(range(20))
    assert max(at_once) <= 2  # one is written, and one is being made


def test_a_failed_batch_is_the_last_one():
    written = []

    def write(batch):
        if batch == 2:
            raise StoreError("disk")
        written.append(batch)

    with pytest.raises(StoreError, match="disk"):
        overlap(range(10), write, lambda _: None)
    assert written == [0, 1]


@pytest.mark.parametrize("error", [EmbedderError, KeyboardInterrupt])
def test_an_error_while_a_batch_is_made_keeps_those_before_it(error):
    done = []

    def batches():
        yield 1
        yield 2
        raise error

    with pytest.raises(error):
        overlap(batches(), lambda batch: batch, done.append)
    assert done == [1, 2]


def test_an_error_of_the_callback_ends_the_run():
    written = []

    def stop(_):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        overlap(range(10), written.append, stop)
    assert written == [0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_it_works_in_a_forked_process():
    overlap([1], lambda batch: batch, lambda _: None)
    child = os.fork()
    if child == 0:
        written = []
        overlap(range(3), written.append, lambda _: None)
        os._exit(0 if written == [0, 1, 2] else 1)
    assert os.waitpid(child, 0)[1] == 0


# Embedding


def test_texts_are_embedded_in_batches_of_the_size_that_the_embedder_prefers():
    texts = [f"text {number}" for number in range(10)]
    embedder, whole = SmallBatches(), CountingEmbedder()
    matrices = embed_windows(texts, embedder)
    assert (embedder.calls, whole.calls) == ([4, 4, 2], [])
    assert [m.tolist() for m in matrices] == [m.tolist() for m in embed_windows(texts, whole)]
    assert whole.calls == [10]
    assert embed_windows([], embedder) == []


@pytest.mark.parametrize("size", [None, 0])
def test_an_embedder_without_a_batch_size_gets_all_texts_in_one_call(size):
    embedder = CountingEmbedder()
    embedder.batch_size = size
    embed_windows(["one", "two"], embedder)
    assert embedder.calls == [2]


def test_adding_a_list_is_one_transaction_however_often_it_calls_the_embedder(tmp_path):
    turns = [Turn(f"number {i}", "", MONDAY + timedelta(minutes=i)) for i in range(10)]
    with MemoryBank.open(tmp_path / "a.db", embedder=SmallBatches(fails_at=3)) as bank:
        with pytest.raises(EmbedderError, match=r"ValueError: embedder\. Nothing was stored"):
            bank.add(turns, user_id="ann")
        assert bank.stats().memories == 0
        bank.add(turns, user_id="ann")
        assert queries(bank) == [turn.query for turn in turns]


# Import


class WaitingStore(LocalStore):
    """Store whose first write waits until the next batch is embedded."""

    waits_for = None

    def add(self, *args, **kwargs):
        if self.waits_for:
            assert self.waits_for.wait(WAIT)
        super().add(*args, **kwargs)


def test_an_import_embeds_a_batch_while_the_one_before_is_stored(tmp_path):
    embedder, second = SmallBatches(), threading.Event()
    embed = embedder.embed_documents

    def embed_documents(texts):
        if embedder.calls:
            second.set()
        return embed(texts)

    embedder.embed_documents = embed_documents
    store = WaitingStore(tmp_path / "a.db", embedder=embedder.name, dimension=256)
    store.waits_for = second
    with MemoryBank(store, embedder) as bank:
        import_json(bank, history(), batch=5)
        assert queries(bank) == [f"number {i}" for i in range(10)]
    assert embedder.calls == [4, 4, 2]
    assert embedder.threads == {threading.main_thread()}


def test_a_batch_of_an_import_holds_turns_of_several_users(tmp_path):
    embedder, counts = CountingEmbedder(), []
    users = [f"user {i}" for i in range(5)]
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
        report = import_json(bank, history(users, 3), progress=counts.append, batch=10)
        assert (report.users, report.turns) == (5, 15)
        for user in users:
            assert queries(bank, user) == ["number 0", "number 1", "number 2"]
    assert (embedder.calls, counts) == ([10, 5], [10, 5])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_embedder_keeps_the_batches_before_it_and_says_how_to_go_on(tmp_path, error):
    embedder, counts = CountingEmbedder(fails_at=3, error=error), []
    with MemoryBank.open(tmp_path / "a.db", embedder=embedder) as bank:
        expected = EmbedderError if error is ValueError else error
        with pytest.raises(expected) as raised:
            import_json(bank, history(), progress=counts.append, batch=4)
        assert counts == [4, 4]
        assert queries(bank) == [f"number {i}" for i in range(8)]
        if error is ValueError:
            assert str(raised.value) == (
                "the embedder 'hashing' failed: ValueError: embedder. 8 of 10 new memories are "
                "stored; import the same data again to store the others."
            )
        again = import_json(bank, history(), batch=4)
        assert (again.turns, again.unchanged) == (2, 8)


def test_a_failed_store_keeps_the_batches_before_it_and_says_how_to_go_on(tmp_path):
    class FailingStore(LocalStore):
        writes = 0

        def add(self, *args, **kwargs):
            self.writes += 1
            if self.writes == 2:
                raise StoreError("the disk is full.")
            super().add(*args, **kwargs)

        def put(self, *args, **kwargs):
            self.writes += 1
            if self.writes == 2:
                raise StoreError("the disk is full.")
            super().put(*args, **kwargs)

    store = FailingStore(tmp_path / "a.db", embedder="hashing", dimension=256)
    with MemoryBank(store, HashingEmbedder()) as bank:
        with pytest.raises(StoreError, match=r"full\. 4 of 10 new memories .* import the same"):
            import_json(bank, history(), batch=4)
        assert queries(bank) == [f"number {i}" for i in range(4)]
        assert store.writes == 2


# Move


class ScanSignalStore(LocalStore):
    """Store that signals its second scan."""

    scans, second = 0, None

    def scan(self, *args, **kwargs):
        self.scans += 1
        if self.scans == 2:
            self.second.set()
        return super().scan(*args, **kwargs)


class WaitingPutStore(LocalStore):
    """Store whose first `put` waits for a signal, and whose put number `fails_at` fails."""

    waits_for, puts, fails_at = None, 0, None

    def put(self, *args, **kwargs):
        self.puts += 1
        if self.waits_for:
            assert self.waits_for.wait(WAIT)
        if self.puts == self.fails_at:
            raise StoreError("the disk is full.")
        super().put(*args, **kwargs)


@pytest.fixture
def source(tmp_path):
    with MemoryBank.open(tmp_path / "source.db", embedder="hashing") as bank:
        import_json(bank, history(["ann", "bob"]))
    return tmp_path / "source.db"


def test_a_move_reads_a_batch_while_the_one_before_is_written(source, tmp_path):
    settings = {"embedder": "hashing", "dimension": 256}
    old, new = ScanSignalStore(source, **settings), WaitingPutStore(tmp_path / "b.db", **settings)
    old.second = new.waits_for = threading.Event()
    counts = []
    assert moving._copy(old, new, MONDAY, counts.append, 4) == 20
    assert (counts, new.puts) == ([4, 4, 2] * 2, 6)
    old.close()
    new.close()


def test_a_failed_move_says_how_to_go_on(source, tmp_path, monkeypatch):
    def open_store(location, embedder):
        store = WaitingPutStore(location, embedder=embedder.name, dimension=embedder.dimension)
        store.fails_at = 3
        return store

    target, counts = tmp_path / "b.db", []
    with monkeypatch.context() as patch:
        patch.setattr(moving, "open_store", open_store)
        with pytest.raises(StoreError, match=r"full\. 8 memories were moved; move to the same"):
            move(source, target, progress=counts.append, batch=4)
    assert counts == [4, 4]
    assert move(source, target, progress=counts.append, batch=4).moved == 12
    assert sum(counts) == 8 + 2 * 20


def test_a_move_ends_at_the_first_difference(source, tmp_path):
    with MemoryBank.open(tmp_path / "b.db", embedder="hashing") as bank:
        bank.add([Turn("another", "", MONDAY)], user_id="ann")
    counts = []
    with pytest.raises(StoreError, match="is not equal to"):
        move(source, tmp_path / "b.db", progress=counts.append, batch=4)
    assert sum(counts) == 20  # all copied, nothing compared


def test_the_checksum_does_not_depend_on_the_batches(source, tmp_path):
    receipts = [move(source, tmp_path / f"{batch}.db", batch=batch) for batch in (3, 256)]
    assert len({receipt.checksum for receipt in receipts}) == 1
    assert (receipts[0].users, receipts[0].memories, receipts[0].vectors) == (2, 20, 20)


# Reembed


def test_a_failed_reembed_keeps_its_batches_and_says_how_to_go_on(tmp_path):
    path, counts = tmp_path / "a.db", []
    with MemoryBank.open(path, embedder="hashing") as bank:
        import_json(bank, history())
    embedder = SmallBatches(fails_at=3)
    embedder.name = "other"
    with pytest.raises(EmbedderError, match=r"vectors of 8 memories are kept: reembed"):
        reembed(path, embedder, progress=counts.append)
    assert reembed(path, embedder, progress=counts.append) == 2
    assert counts == [4, 4, 2]
