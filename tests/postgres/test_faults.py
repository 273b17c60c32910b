"""Servers die, connections break, clients are killed: nothing acknowledged is lost."""

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
from postgres_servers import installs, name_of, running

from memorybank_core import HashingEmbedder, MemoryBank, StoreWriteError, Turn
from memorybank_core.errors import StoreBusyError, StoreUnavailableError
from memorybank_core.stores.postgres import PostgresStore
from memorybank_core.stores.postgres.connections import Session
from memorybank_core.testing.examples import ADA, ALL, EAST, LAW, NOON, ids, probe, turn

CLIENTS = 4


@pytest.fixture(scope="module", params=installs(), ids=lambda place: place.split("/")[-1])
def server(request):
    """A server of this module's own, that may be killed."""
    with running(request.param) as server:
        yield server


@pytest.fixture
def url(server):
    return server.new()


def opened(url, **options):
    options = {"timeout": 30.0, **options}
    return PostgresStore(url, embedder="by-hand", dimension=3, **options)


class Load:
    """Threads that add turns and recall one, and note what they were acknowledged."""

    def __init__(self, url):
        self.url, self.added, self.recalled, self.failed = url, set(), 0, []
        self._over, self._lock = threading.Event(), threading.Lock()
        self._opened = threading.Barrier(CLIENTS + 1, timeout=60)
        with closing(opened(url)) as store:
            store.add(ADA, [turn("shared")], [EAST])

    def __enter__(self):
        self._threads = ThreadPoolExecutor(CLIENTS)
        self._runs = [self._threads.submit(self._run, number) for number in range(CLIENTS)]
        self._opened.wait()  # opening a store is not retried
        return self

    def __exit__(self, *_):
        time.sleep(0.5)
        self._over.set()
        self._threads.shutdown()
        for run in self._runs:
            run.result()

    def _run(self, client):
        with closing(opened(self.url, pool_size=2)) as store:
            self._opened.wait()
            number = 0
            while not self._over.is_set():
                id = f"{client}-{number}"
                store.add(ADA, [turn(id, hours=number)], [EAST])
                store.strengthen(ADA, ["shared"], NOON, None, LAW)
                store.candidates(ADA, probe("shared"))
                number += 1
                with self._lock:
                    self.added.add(id)
                    self.recalled += 1


def assert_whole(load):
    """All that was acknowledged is there, once; and nothing else."""
    with closing(opened(load.url)) as store:
        found = ids(store.memories(ADA, ALL))
        assert sorted(found) == sorted({*load.added, "shared"})
        assert store.known(ADA, ["shared"])["shared"].recalls == load.recalled
        assert len(store.recalls(ADA, "shared")) == load.recalled
        assert set(store.vectors(ADA, found)) == set(found)
        columns = store.candidates(ADA, probe(pool=9999, least=9999))
        assert len(columns.key) == len(found)
    assert len(load.added) > 20


def test_the_server_dies_and_comes_back_under_load(server, url):
    with Load(url) as load:
        for _ in range(2):
            time.sleep(0.6)
            server.stop()
            time.sleep(0.3)
            server.start()
    assert_whole(load)


def test_connections_are_cut_in_the_middle_of_transactions(server, url):
    """Also while they are committed: what became of it, the server is asked."""
    with Load(url) as load, server.connect() as db:
        for _ in range(60):
            time.sleep(0.03)
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND state <> 'idle' LIMIT 2",
                (name_of(url),),
            )
    assert_whole(load)


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


def test_a_client_is_killed(url):
    told = {}
    processes = [
        subprocess.Popen([sys.executable, "-c", CLIENT, url, str(name)], stdout=subprocess.PIPE)
        for name in range(3)
    ]
    for name, process in enumerate(processes):
        for _ in range(5):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        with process:
            told[name] = 5 + len(process.stdout.read().split())
    with closing(opened(url)) as store:
        store.add(ADA, [turn("after")], [EAST])  # nobody holds a lock any more
        found = ids(store.memories(ADA, ALL))
        assert len(found) == len(set(found))
        for name, count in told.items():
            numbers = [id for id in found if id.startswith(f"{name}-")]
            assert len(numbers) in (3 * count, 3 * count + 3)  # the last, maybe, unacknowledged


def test_an_acknowledgement_that_is_lost(server, url, monkeypatch):
    """The connection breaks just after the commit: the call is not repeated, and returns."""
    store = opened(url)
    store.add(ADA, [turn("a")], [EAST])
    send = Session._send
    cut = []

    def lost_after_commit(session, *statements):
        results = send(session, *statements)
        if statements[0].text == "COMMIT" and not cut:
            cut.append(session)
            session._db.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return results

    monkeypatch.setattr(Session, "_send", lost_after_commit)
    assert store.strengthen(ADA, ["a"], NOON, None, LAW) == 1
    assert cut
    assert store.known(ADA, ["a"])["a"].recalls == 1
    cut.clear()

    def lost_before_commit(session, *statements):
        if statements[0].text == "COMMIT" and not cut:
            cut.append(session)
            session._db.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return send(session, *statements)

    monkeypatch.setattr(Session, "_send", lost_before_commit)
    assert store.strengthen(ADA, ["a"], NOON, None, LAW) == 1
    assert cut
    assert store.known(ADA, ["a"])["a"].recalls == 2
    store.close()


def test_a_server_that_is_away_is_told_of_and_the_store_goes_on_when_it_is_back(server, url):
    with closing(opened(url, timeout=1.5)) as store:
        store.add(ADA, [turn("a")], [EAST])
        server.stop("fast")
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"cannot be reached within 1.5 s.*back"):
            store.add(ADA, [turn("b")], [EAST])
        with pytest.raises(StoreUnavailableError):
            store.memories(ADA, ALL)
        assert time.monotonic() - began < 12
        with pytest.raises(StoreUnavailableError, match="cannot be reached"):
            opened(url)
        server.start()
        assert ids(store.memories(ADA, ALL)) == ["a"]
        store.add(ADA, [turn("b")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a", "b"]


def test_who_waits_too_long_for_another_is_told(url):
    with (
        closing(opened(url, statement_timeout=0.3)) as store,
        psycopg.connect(url) as other,
    ):
        store.add(ADA, [turn("a")], [EAST])
        other.execute("SELECT FROM memorybank.users WHERE user_id = %s FOR UPDATE", (ADA,))
        with pytest.raises(StoreBusyError, match="blocked this one"):
            store.add(ADA, [turn("b")], [EAST])
        other.rollback()
        store.add(ADA, [turn("b")], [EAST])
        assert ids(store.memories(ADA, ALL)) == ["a", "b"]


@pytest.fixture
def small(server, tmp_path):
    """A tablespace that has room for very little."""
    place = server.folder / "small"
    place.mkdir()
    options = f"size=14m,uid={server.data.stat().st_uid}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)])
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_the_disk_of_the_server_is_full(server, small):
    with server.connect() as db:
        db.execute(f"CREATE TABLESPACE small LOCATION '{small}'")
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
        subprocess.run(["mount", "-o", "remount,size=40m", str(small)], check=True)
        bank.add([Turn("there is room again", at=NOON, id="after")], user_id=ADA)
        assert set(ids(bank.timeline(user_id=ADA))) == {*kept, "after"}
    server.drop(url)
    with server.connect() as db:
        db.execute("DROP TABLESPACE small")
