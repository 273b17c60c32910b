"""Processes for the tests of forks: `python forks.py FUNCTION PATH [ARGUMENTS]`.

Each function forks this process; a child that takes longer than `LIMIT` seconds prints where it
hangs, and fails.
"""

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from memorybank_core import (
    ForkedProcessError,
    MemoryBank,
    StoreWriteError,
    Turn,
    embedder_named,
    forked_processes,
)

LIMIT = 30
MANY = 10_000
START = datetime(2023, 5, 4, tzinfo=timezone.utc)
TOPICS = ("cello", "soup", "ferry", "chess", "violet", "glacier", "piano", "harbour")


class FewRealVectors:
    """An embedder that makes up the vectors of many documents, which takes less time.

    The vector of LARGEST has a larger component than all others; FAISS then decodes all vectors
    in parallel.
    """

    LARGEST = "largest component"

    def __init__(self, name):
        self._embedder = embedder_named(name)
        self.name, self.dimension = name, self._embedder.dimension
        self.embed_query = self._embedder.embed_query
        self._embedder.embed_documents([f"a sentence about {topic}" for topic in TOPICS * 4])

    def embed_documents(self, texts):
        if texts == [self.LARGEST]:
            return np.eye(1, self.dimension, dtype=np.float32)
        if len(texts) < 50:
            return self._embedder.embed_documents(texts)
        vectors = np.random.default_rng(0).standard_normal((len(texts), self.dimension))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors.astype(np.float32)


def fork(call, *arguments, fork=os.fork):
    """Run a call in a child process; return its pid."""
    pid = fork()
    if pid == 0:
        signal.alarm(LIMIT)
        try:
            call(*arguments)
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(1)
    return pid


def wait(*pids):
    """Wait for children; raise if one failed."""
    for pid in pids:
        status = os.waitpid(pid, 0)[1]
        assert status == 0, f"a child ended with {status}"


def run(call, *arguments, **options):
    wait(fork(call, *arguments, **options))


def fill(bank):
    """Add many memories, of which the last one has the largest component; search them."""
    at = [START + timedelta(minutes=minute) for minute in range(MANY)]
    bank.add([Turn(f"Fact {n}.", at=time) for n, time in enumerate(at)], user_id="ada")
    bank.search("Which facts?", user_id="ada")
    bank.add([Turn(FewRealVectors.LARGEST)], user_id="ada")
    bank.search("Which facts?", user_id="ada")


def remember(bank, topic, user_id="ada"):
    """Add one memory and many, and search for the one."""
    bank.add([Turn(f"My sister likes the {topic}.")], user_id=user_id)
    bank.add([Turn(f"The {other} of {number}.") for number, other in enumerate("abc")], user_id="b")
    assert finds(bank, topic, user_id), f"the memory of {topic} was not found"


def finds(bank, topic, user_id="ada"):
    results = bank.search(f"Who likes the {topic}?", user_id=user_id, k=20)
    return any(topic in result.memory.turn.query for result in results)


def use_own_bank(path, embedder, topic):
    with MemoryBank.open(path, embedder=embedder) as bank:
        remember(bank, topic)
        fill(bank)


def search_in_pool(topic):
    return finds(BANK, topic)


def models(path, name):
    """Fork after the embedder and FAISS were used; children use the parent's bank and their own."""
    global BANK
    embedder = FewRealVectors(name)
    BANK = bank = MemoryBank.open(path, embedder=embedder)
    fill(bank)
    run(use_own_bank, f"{path}-child", embedder, "soup")
    run(remember, bank, "cello")
    run(in_thread, remember, bank, "ferry")
    context = multiprocessing.get_context("fork")
    process = context.Process(target=remember, args=(bank, "chess"))
    process.start()
    process.join(LIMIT)
    assert process.exitcode == 0, process.exitcode
    topics = ["cello", "ferry", "chess"]
    with context.Pool(2) as pool:
        assert pool.map_async(search_in_pool, topics).get(LIMIT) == [True] * 3
    assert all(finds(bank, topic) for topic in topics)


def in_thread(call, *arguments):
    """Run a call in another thread, as servers do."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(call, *arguments).result()


def generations(path):
    """Fork a child of a child: each adds to the same bank."""
    bank = MemoryBank.open(path, embedder="hashing")
    remember(bank, "cello")

    def second():
        remember(bank, "soup")
        run(remember, bank, "ferry")
        assert finds(bank, "ferry")

    run(second)
    assert all(finds(bank, topic) for topic in ("cello", "soup", "ferry"))


def parent_closes(path, own):
    """Let the parent close its bank, which deletes SQLite's log, between two adds of the child."""
    bank = MemoryBank.open(path, embedder="hashing")
    remember(bank, "cello")
    added, closed = os.pipe(), os.pipe()

    def child():
        used = MemoryBank.open(path, embedder="hashing") if own == "own" else bank
        remember(used, "soup")
        os.write(added[1], b".")
        os.read(closed[0], 1)
        remember(used, "ferry")

    pid = fork(child)
    os.read(added[0], 1)
    bank.close()
    os.write(closed[1], b".")
    wait(pid)
    with MemoryBank.open(path, embedder="hashing") as bank:
        assert [finds(bank, topic) for topic in ("cello", "soup", "ferry")] == [True] * 3


def busy_threads(path, name="hashing"):
    """Fork again and again while other threads add and search."""
    bank = MemoryBank.open(path, embedder=name)
    remember(bank, "cello")
    stopping, counts = threading.Event(), {"bo": 0, "cy": 0}

    def work(user_id):
        while not stopping.is_set():
            bank.add([Turn(f"Fact {counts[user_id]}.")], user_id=user_id)
            bank.search("Which facts?", user_id=user_id)
            counts[user_id] += 1

    threads = [threading.Thread(target=work, args=[user_id]) for user_id in counts]
    for thread in threads:
        thread.start()
    for topic in TOPICS:
        run(remember, bank, topic)
        run(remember, bank, topic, "bo")
    stopping.set()
    for thread in threads:
        thread.join()
    assert all(finds(bank, topic) for topic in TOPICS)
    for user_id, count in counts.items():
        stored = [memory.turn.query for memory in bank.timeline(user_id=user_id)]
        assert sum(text.startswith("Fact") for text in stored) == count


def long_call(path):
    """Fork during a call that takes longer than a fork waits: the child gets an error."""
    forked_processes.WAIT = 0.2
    bank = MemoryBank.open(path, embedder="hashing")
    remember(bank, "cello")
    with held(bank.store._connections.write):
        run(expect_error, lambda: bank.add([Turn("lost")], user_id="ada"))
        run(expect_error, lambda: bank.search("cello", user_id="ada"))
        run(expect_error, lambda: MemoryBank.open(path, embedder="hashing"))
        run(use_own_bank, f"{path}-2", "hashing", "soup")
    with held(lambda: bank.store._cache.get("ada").lock):  # the child builds the index again
        run(remember, bank, "soup")
    remember(bank, "ferry")
    assert all(finds(bank, topic) for topic in ("cello", "soup", "ferry"))


@contextmanager
def held(block):
    """Hold a block in another thread."""
    entered, leaving = threading.Event(), threading.Event()

    def hold():
        with block():
            entered.set()
            leaving.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    yield
    leaving.set()
    thread.join()


def expect_error(call):
    with pytest.raises(ForkedProcessError, match="was forked"):
        call()


def pending_query(path):
    """Fork while another thread embeds a query that the child then searches for."""

    class Slow(FewRealVectors):
        def embed_query(self, text):
            if threading.current_thread() is not threading.main_thread():
                started.set()
                leaving.wait()
            return self._embedder.embed_query(text)

    started, leaving = threading.Event(), threading.Event()
    embedder = Slow("hashing")
    del embedder.embed_query
    bank = MemoryBank.open(path, embedder=embedder)
    remember(bank, "cello")
    thread = threading.Thread(target=bank.search, args=["soup"], kwargs={"user_id": "ada"})
    thread.start()
    started.wait()
    run(lambda: bank.search("soup", user_id="ada"))
    leaving.set()
    thread.join()


def without_hooks(path):
    """Fork as uWSGI does, without Python's hooks."""
    libc = ctypes.PyDLL(None)
    bank = MemoryBank.open(path, embedder="hashing")
    remember(bank, "cello")
    run(expect_error, lambda: bank.search("cello", user_id="ada"), fork=libc.fork)
    run(expect_error, lambda: MemoryBank.open(path, embedder="hashing"), fork=libc.fork)
    assert finds(bank, "cello")
    bank.close()
    run(use_own_bank, path, "hashing", "soup", fork=libc.fork)


def replaced_file(path):
    """Replace the file before a fork: neither process takes the new one for the old."""
    bank = MemoryBank.open(path, embedder="hashing")
    remember(bank, "cello")
    Path(path).rename(f"{path}-old")
    MemoryBank.open(path, embedder="hashing").close()

    def write():
        with pytest.raises(StoreWriteError, match="replaced"):
            bank.add([Turn("My sister likes soup.")], user_id="ada")

    run(write)
    write()


def interpreter_exit(path, name="hashing"):
    """End a child as a program ends: it frees what it inherited, without harm to the parent."""
    bank = MemoryBank.open(path, embedder=name)
    remember(bank, "cello")
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIMIT)
        remember(bank, "soup")
        sys.exit()
    wait(pid)
    remember(bank, "ferry")
    run(remember, bank, "chess")
    assert all(finds(bank, topic) for topic in ("cello", "soup", "ferry", "chess"))
    bank.close()


def waiting_turns(path):
    """Fork while turns of an outage wait in memory: only the parent writes them."""
    bank = MemoryBank.open(path, embedder="hashing")

    def write():
        bank.add([Turn("kept")], user_id="ada")

    bank.backlog.keep("ada", Turn("kept", id="1"), write=write, day=START.date())
    with held(lambda: bank.backlog._flushing):
        run(lambda: bank.backlog.close())
    assert bank.timeline(user_id="ada") == []
    bank.close()
    with MemoryBank.open(path, embedder="hashing") as bank:
        assert [memory.turn.query for memory in bank.timeline(user_id="ada")] == ["kept"]


def waiting_for_each_other(path):
    """Fork in one thread while the other waits for a fork inside a block: nothing hangs."""
    bank = MemoryBank.open(path, embedder="hashing")
    with bank.store._connections.write(), held(lambda: forked_processes.no_fork):
        forked_processes.WAIT = 0.2
        started = time.monotonic()
        run(lambda: None)
        assert 0.2 <= time.monotonic() - started < LIMIT
    remember(bank, "cello")


if __name__ == "__main__":
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(4 * LIMIT)
    globals()[sys.argv[1]](*sys.argv[2:])
