"""Faults of servers, connections and clients lose no acknowledged write."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest

pytest.importorskip("psycopg", reason="psycopg is not installed")

import psycopg
from fault_proxy import FaultProxy
from postgres_servers import connect, installs, name_of, running

from memorybank_core import HashingEmbedder, MemoryBank, StoreWriteError, Turn
from memorybank_core.errors import ConflictError, StoreBusyError, StoreUnavailableError
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.stores.postgres.statements import Statement
from memorybank_core.testing.examples import ADA, ALL, EAST, LAW, NOON, ids, probe, turn

CLIENTS = 4


@pytest.fixture(scope="module", params=installs(), ids=lambda folder: folder.split("/")[-1])
def server(request):
    """Run a server for this module only: its tests kill it."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def url(server):
    return server.new()


def open_store(url, **options):
    options = {"timeout": 30.0, **options}
    return PostgresStore(url, embedder="by-hand", dimension=3, **options)


class Load:
    """Threads that add turns, recall one of them, and record the acknowledged calls."""

    def __init__(self, url, user=ADA):
        self.url, self.user, self.added, self.recalled = url, user, set(), 0
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._opened = threading.Barrier(CLIENTS + 1, timeout=60)
        with closing(open_store(url)) as store:
            store.add(user, [turn("shared", user=user)], [EAST])

    def __enter__(self):
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._runs = [self._threads.submit(self._run, number) for number in range(CLIENTS)]
        self._opened.wait()  # opening a store is not retried
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        self._stop.set()
        self._threads.shutdown()
        for run in self._runs:
            run.result()

    def _run(self, client):
        with closing(open_store(self.url, pool_size=2)) as store:
            self._opened.wait()
            number = 0
            while not self._stop.is_set():
                id = f"{client}-{number}"
                store.add(self.user, [turn(id, user=self.user, hours=number)], [EAST])
                store.strengthen(self.user, ["shared"], NOON, None, LAW)
                store.candidates(self.user, probe("shared"))
                number += 1
                with self._lock:
                    self.added.add(id)
                    self.recalled += 1


def assert_complete(load):
    """Assert that every acknowledged write is stored once, and that nothing else is."""
    with closing(open_store(load.url)) as store:
        stored = ids(store.memories(load.user, ALL))
        assert sorted(stored) == sorted({*load.added, "shared"})
        assert store.known(load.user, ["shared"])["shared"].recalls == load.recalled
        assert len(store.recalls(load.user, "shared")) == load.recalled
        assert set(store.vectors(load.user, stored)) == set(stored)
        columns = store.candidates(load.user, probe(pool=9999, least=9999))
        assert len(columns.key) == len(stored)
    assert len(load.added) > 10


def test_a_server_crash_under_load_loses_nothing(server, url):
    with Load(url) as load:
        for _ in range(2):
            time.sleep(0.6)
            server.stop()
            time.sleep(0.3)
            server.start()
    assert_complete(load)


def test_connections_lost_during_transactions_lose_nothing(server, url):
    """Also during COMMIT: the store then reads from the server whether it was committed."""
    with Load(url) as load, server.connect() as db:
        for _ in range(60):
            time.sleep(0.03)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND state <> 'idle' LIMIT 2",
                (name_of(url),),
            )
    assert_complete(load)


def test_connections_cut_around_commit_lose_nothing_and_repeat_nothing(server, url):
    assert check_cuts_around_commit(url) > 3


def check_cuts_around_commit(url):
    """Cut connections before COMMIT reaches the server, before its answer, and after it."""
    if not (proxy := FaultProxy.before(url)):
        pytest.skip("the server has no socket in a folder")
    with closing(proxy):
        with Load(proxy.url(url)) as load, proxy:
            time.sleep(2)
        load.url = url
        assert_complete(load)
        times = ("before", "during", "after")
        assert min(proxy.cuts[when] for when in times) > 3
        return min(proxy.cuts_of_add[when] for when in times)


CLIENT = """
import sys
from contextlib import closing
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.testing.examples import *
store = PostgresStore(sys.argv[1], embedder="by-hand", dimension=3)
for number in range(100_000):
    store.add(ADA, [turn(f"{sys.argv[2]}-{number}-{part}") for part in range(3)], [EAST] * 3)
    print(f"{sys.argv[2]}-{number}", flush=True)
"""


def test_a_killed_client_leaves_only_complete_writes(url):
    acknowledged = {}
    processes = [
        subprocess.Popen([sys.executable, "-c", CLIENT, url, str(name)], stdout=subprocess.PIPE)
        for name in range(3)
    ]
    for name, process in enumerate(processes):
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        with process:
            acknowledged[name] = 5 + len(process.stdout.read().split())
    with closing(open_store(url)) as store:
        store.add(ADA, [turn("after")], [EAST])  # no lock is left
        stored = ids(store.memories(ADA, ALL))
        assert len(stored) == len(set(stored))
        for name, count in acknowledged.items():
            numbers = [id for id in stored if id.startswith(f"{name}-")]
            # the last call was perhaps committed, but not acknowledged
            assert len(numbers) in (3 * count, 3 * count + 3)


def test_a_call_is_applied_once_if_the_connection_is_lost_at_commit(server, url, monkeypatch):
    """It is repeated if the connection was lost before the commit, but not if just after it."""
    store = open_store(url)
    store.add(ADA, [turn("a")], [EAST])
    send = Session._send
    lost = []

    def lose_after_commit(session, *statements):
        results = send(session, *statements)
        if statements[0].text == "COMMIT" and not lost:
            lost.append(session)
            session._db.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return results

    monkeypatch.setattr(Session, "_send", lose_after_commit)
    assert store.strengthen(ADA, ["a"], NOON, None, LAW) == 1
    assert lost
    assert store.known(ADA, ["a"])["a"].recalls == 1
    lost.clear()

    def lose_before_commit(session, *statements):
        if statements[0].text == "COMMIT" and not lost:
            lost.append(session)
            session._db.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return send(session, *statements)

    monkeypatch.setattr(Session, "_send", lose_before_commit)
    assert store.strengthen(ADA, ["a"], NOON, None, LAW) == 1
    assert lost
    assert store.known(ADA, ["a"])["a"].recalls == 2
    store.close()


@pytest.fixture
def lose_add(monkeypatch):
    """Return a function that loses the next add that is one statement, and what it calls then."""
    send = Session._send

    def lose(when, meanwhile):
        lost = []

        def lose_once(session, *statements):
            if lost or not statements[0].text.startswith("WITH owner AS (UPDATE"):
                return send(session, *statements)
            lost.append(statements[0])
            if when == "after":
                send(session, *statements)
            session._db.close()
            meanwhile()
            raise psycopg.OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(Session, "_send", lose_once)
        return lost

    return lose


@pytest.mark.parametrize("writes", [0, 40])  # a user has 32 markers
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_add_that_got_no_answer_is_stored_once(url, lose_add, when, writes):
    with closing(open_store(url)) as store, closing(open_store(url)) as other:
        store.add(ADA, [turn("a")], [EAST])

        def write():
            for _ in range(writes):
                other.strengthen(ADA, ["a"], NOON, None, LAW)

        lost = lose_add(when, write)
        store.add(ADA, [turn("b"), turn("c")], [EAST, EAST])
        assert lost
        assert ids(store.memories(ADA, ALL)) == ["a", "b", "c"]
        assert store.stats(ADA).memories == 3
        assert len(store.candidates(ADA, probe("b")).key) == 3


def test_an_id_that_another_took_while_an_add_was_lost_is_a_conflict(url, lose_add):
    with closing(open_store(url)) as store, closing(open_store(url)) as other:
        store.add(ADA, [turn("a")], [EAST])
        lose_add("before", lambda: other.add(ADA, [turn("b", hours=5)], [EAST]))
        with pytest.raises(ConflictError, match="b"):
            store.add(ADA, [turn("b")], [EAST])
        assert store.stats(ADA).memories == 2


def test_a_lost_add_that_reaches_the_server_late_changes_nothing(url, lose_add):
    with closing(open_store(url)) as store:
        store.add(ADA, [turn("a")], [EAST])
        lost = lose_add("before", lambda: None)
        store.add(ADA, [turn("b")], [EAST])
        with connect(url, autocommit=True) as db, pytest.raises(psycopg.errors.UniqueViolation):
            db.execute(lost[0].text, dict(lost[0].values))
        assert ids(store.memories(ADA, ALL)) == ["a", "b"]
        assert len(store.candidates(ADA, probe("b")).key) == 2


def test_a_commit_that_failed_on_a_worker_of_citus_is_looked_up(url, monkeypatch):
    """Citus raises this error whether the worker committed or not."""
    store = open_store(url)
    store.add(ADA, [turn("a")], [EAST])
    send, committed = Session._send, []

    def fail_to_commit(session, *statements):
        if statements[0].text != "COMMIT" or len(committed) == 2:
            return send(session, *statements)
        committed.append(len(committed) == 0)
        send(session, statements[0] if committed[-1] else Statement("ROLLBACK"))
        raise psycopg.errors.InternalError_("could not commit transaction for shard 102008")

    monkeypatch.setattr(Session, "_send", fail_to_commit)
    store.strengthen(ADA, ["a"], NOON, None, LAW)
    assert committed == [True]
    store.strengthen(ADA, ["a"], NOON, None, LAW)
    assert committed == [True, False]
    assert store.known(ADA, ["a"])["a"].recalls == 2
    store.close()


def test_an_unreachable_server_raises_and_the_store_works_again_when_it_is_back(server, url):
    with closing(open_store(url, timeout=1.5)) as store:
        store.add(ADA, [turn("a")], [EAST])
        server.stop("fast")
        start = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached within 1.5 s.*back"):
            store.add(ADA, [turn("b")], [EAST])
        with pytest.raises(StoreUnavailableError):
            store.memories(ADA, ALL)
        assert time.monotonic() - start < 12
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            open_store(url)
        server.start()
        assert ids(store.memories(ADA, ALL)) == ["a"]
        store.add(ADA, [turn("b")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a", "b"]


def test_a_call_that_is_blocked_too_long_raises_store_busy_error(url):
    with (
        closing(open_store(url, statement_timeout=0.3)) as store,
        connect(url) as other,
    ):
        store.add(ADA, [turn("a")], [EAST])
        other.execute("SELECT FROM memorybank.users WHERE user_id = %s FOR UPDATE", (ADA,))
        with pytest.raises(StoreBusyError, match="blocked this one"):
            store.add(ADA, [turn("b")], [EAST])
        other.rollback()
        store.add(ADA, [turn("b")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a", "b"]


@pytest.fixture
def small_disk(server, tmp_path):
    """Mount a file system for a tablespace with very little space."""
    if not hasattr(server, "folder"):
        pytest.skip("the server runs elsewhere")
    folder = server.folder / "small"
    folder.mkdir()
    options = f"size=14m,uid={server.data.stat().st_uid}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)])
    if mounted.returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_of_the_server_loses_nothing(server, small_disk):
    with server.connect() as db:
        db.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    url = server.new(settings="TABLESPACE small STRATEGY file_copy")
    filler = "word " * 1500
    with MemoryBank.open(url, embedder=HashingEmbedder()) as bank:
        kept = []

        def fill():
            for number in range(5000):
                at = NOON + timedelta(minutes=number)
                id = f"t{number}"
                new = Turn(f"{number} {os.urandom(2000).hex()}", filler, at, id)
                bank.add([new], user_id=ADA)
                kept.append(id)

        with pytest.raises(StoreWriteError, match=r"Nothing was changed. Free some space"):
            fill()
        assert len(kept) > 20
        assert ids(bank.timeline(user_id=ADA)) == kept
        assert bank.search("word", user_id=ADA)
        subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
        bank.add([Turn("there is room again", at=NOON, id="after")], user_id=ADA)
        assert set(ids(bank.timeline(user_id=ADA))) == {*kept, "after"}
    server.drop(url)
    with server.connect() as db:
        db.execute("DROP TABLESPACE small")


def test_an_id_that_another_call_takes_meanwhile_is_a_conflict(url):
    with closing(open_store(url)) as store, ThreadPoolExecutor(1) as thread:
        store.add(ADA, [turn("a")], [EAST])
        with connect(url) as other:
            other.execute("SELECT FROM memorybank.users FOR UPDATE")
            late = thread.submit(store.add, ADA, [turn("b late")], [EAST])
            while not other.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event = 'transactionid' "
                "AND datname = current_database()"
            ).fetchall():
                time.sleep(0.01)
            other.execute(
                "INSERT INTO memorybank.memories SELECT user_id, next_seq, 'b', kind, session, "
                "day, created_at, 'b first', '' FROM memorybank.memories JOIN memorybank.users "
                "USING (user_id)"
            )
            other.execute("UPDATE memorybank.users SET next_seq = next_seq + 1")
        with pytest.raises(ConflictError):
            late.result()
        store.add(ADA, [turn("c")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a", "b", "c"]
