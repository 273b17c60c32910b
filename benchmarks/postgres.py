"""Measure a database of a million memories: searches and adds of several processes at once.

python benchmarks/postgres.py URL [users] [memories of each] [memories of the large one]

An empty database is filled first; a second run measures immediately. A first search is one by a
process that has no index of the user; for a warm one it has. Each is compared with pgvector alone:
the ten nearest of the same vectors in a table of their own, keyed by the user, with the same
driver. That needs the extension `vector`, which a bank does not.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Callable

import psycopg
from common import FreeEmbedder, describe_machine, make_questions, make_turns
from pgvector.psycopg import register_vector

from memorybank_core import MemoryBank
from memorybank_core.locations import without_password

LARGE = "user-large"
ROUND = 250  # users write alternately, so that their rows are not stored one user after another
CLIENTS = (1, 8, 32)
SECONDS = 6.0
CACHE_BYTES = 4 * 2**30  # holds every user
CREATE_ALONE = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    "CREATE TABLE pgvector_alone (user_id text, seq bigint, vector vector(384), "
    "PRIMARY KEY (user_id, seq))",
    "CREATE INDEX pgvector_alone_large ON pgvector_alone USING hnsw (vector vector_ip_ops) "
    f"WHERE user_id = '{LARGE}'",
)
NEAREST = "SELECT seq FROM pgvector_alone WHERE user_id = %s ORDER BY vector <#> %s LIMIT 10"


def open_bank(url: str, cache_bytes: int = CACHE_BYTES) -> MemoryBank:
    """Open the bank with one connection."""
    return MemoryBank.open(url, embedder=FreeEmbedder(), pool_size=1, cache_bytes=cache_bytes)


def fill(url: str, users: int, each: int, large: int) -> dict[str, float]:
    """Store the memories that are missing; return the turns stored per second."""
    results = {}
    history = make_turns(max(each, large))
    with open_bank(url) as bank:
        if not bank.stats(user_id="user-0").memories:
            start_time = time.perf_counter()
            for start in range(0, each, ROUND):
                for user in range(users):
                    bank.add(history[start : min(start + ROUND, each)], user_id=f"user-{user}")
            results["stored_per_s"] = users * each / (time.perf_counter() - start_time)
        if not bank.stats(user_id=LARGE).memories:
            start_time = time.perf_counter()
            for start in range(0, large, ROUND):
                bank.add(history[start : start + ROUND], user_id=LARGE)
            results["large_stored_per_s"] = large / (time.perf_counter() - start_time)
        if results:
            bank.compact()
            copy_vectors(url, bank, [*(f"user-{user}" for user in range(users)), LARGE])
        stats = bank.stats()
        results["bytes_a_memory"] = stats.file_bytes / stats.memories
    return results


def copy_vectors(url: str, bank: MemoryBank, users: list[str]) -> None:
    """Copy the vectors of the bank into the table of pgvector alone."""
    with psycopg.connect(url, autocommit=True) as db:
        for statement in CREATE_ALONE:
            db.execute(statement)
        register_vector(db)
        for user in users:
            after = 0
            while batch := bank.store.scan(user, after=after, limit=512):
                rows = [(user, stored.key, stored.vectors[0]) for stored in batch]
                insert = "INSERT INTO pgvector_alone VALUES (%s, %s, %s)"
                db.cursor().executemany(insert, rows)
                after = batch[-1].key
        db.execute("VACUUM ANALYZE pgvector_alone")


def make_search(
    url: str, users: int, each: int, number: int, cache_bytes: int = CACHE_BYTES
) -> Callable[[], object]:
    """Return a function that searches as a random user; `users` of 0 means the large one."""
    bank, rng = open_bank(url, cache_bytes), random.Random(number)
    queries, now = make_questions(200, seed=number), make_turns(each)[-1].at
    for user in range(users if cache_bytes else 0):
        bank.search("warm up", user_id=f"user-{user}", now=now)

    def call() -> object:
        user_id = f"user-{rng.randrange(users)}" if users else LARGE
        return bank.search(rng.choice(queries), user_id=user_id, k=10, now=now)

    return call


def make_first_search(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that searches as a random user, of whom no index is kept."""
    return make_search(url, users, each, number, cache_bytes=0)


def make_nearest(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that runs the same search with pgvector alone."""
    db, embedder, rng = (
        psycopg.connect(url, autocommit=True),
        FreeEmbedder(),
        random.Random(number),
    )
    register_vector(db)
    vectors = [embedder.embed_query(query) for query in make_questions(200, seed=number)]

    def call() -> object:
        user_id = f"user-{rng.randrange(users)}" if users else LARGE
        return db.execute(NEAREST, (user_id, rng.choice(vectors))).fetchall()

    return call


def make_add(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that adds one turn of a random user."""
    bank, rng = open_bank(url), random.Random(number)
    history = make_turns(each)

    def call() -> object:
        turn = rng.choice(history)
        user_id = f"user-{rng.randrange(users)}" if users else LARGE
        new = type(turn)(
            turn.query, turn.response, at=history[-1].at, id=f"{number}-{time.time_ns()}"
        )
        return bank.add([new], user_id=user_id)

    return call


def run_client(
    make_call: Callable[..., Callable[[], object]], number: int, arguments: tuple, barrier, times
) -> None:
    """Run one process: call until the time is over, and report the duration of each call."""
    call = make_call(*arguments, number)
    for _ in range(10):
        call()
    barrier.wait()
    durations, end = [], time.perf_counter() + SECONDS
    while (start_time := time.perf_counter()) < end:
        call()
        durations.append(time.perf_counter() - start_time)
    times.put(durations)


def measure(
    make_call: Callable[..., Callable[[], object]], clients: int, *arguments: object
) -> dict[str, float]:
    """Return calls per second, and the duration of a call in ms."""
    spawned = multiprocessing.get_context("spawn")
    barrier, times = spawned.Barrier(clients), spawned.Queue()
    processes = [
        spawned.Process(target=run_client, args=(make_call, number, arguments, barrier, times))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    durations = sorted(time for _ in processes for time in times.get(timeout=300))
    for process in processes:
        process.join()
    return {
        "per_s": round(len(durations) / SECONDS, 1),
        "median_ms": round(statistics.median(durations) * 1000, 2),
        "p99_ms": round(durations[int(len(durations) * 0.99)] * 1000, 2),
    }


def main(url: str, users: int = 1000, each: int = 1000, large: int = 100_000) -> None:
    with psycopg.connect(url) as db:
        version = db.info.server_version // 10000
    print(f"{describe_machine()}, PostgreSQL {version}, {without_password(url)}")
    print(json.dumps({k: round(v) for k, v in fill(url, users, each, large).items()}), flush=True)
    for name, make_call, user_count in (
        ("first search", make_first_search, users),
        ("search", make_search, users),
        ("pgvector alone", make_nearest, users),
        ("search, large user", make_search, 0),
        ("pgvector alone, large user", make_nearest, 0),
        ("add", make_add, users),
        ("add, large user", make_add, 0),
    ):
        for clients in CLIENTS:
            print(
                json.dumps({name: clients} | measure(make_call, clients, url, user_count, each)),
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
