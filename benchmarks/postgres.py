"""A database of a million memories: searches and adds of several processes at once.

python benchmarks/postgres.py URL [users] [memories of each] [memories of the large one]

URL names a database; it is filled if it is empty, so that a second run measures at once. Each
search is compared with pgvector alone: the ten nearest of the same user's rows, with the same
driver.
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
from common import FreeEmbedder, machine, questions, turns
from pgvector.psycopg import register_vector

from memorybank_core import MemoryBank
from memorybank_core.locations import without_password

LARGE = "user-large"
ROUND = 250  # users write alternately, so that their rows are not stored one user after another
CLIENTS = (1, 8, 32)
SECONDS = 6.0
NEAREST = (
    "SELECT seq FROM memorybank.vectors WHERE user_id = %s AND (%s OR indexed) "
    "ORDER BY vector <#> %s LIMIT 10"
)


def open_bank(url: str) -> MemoryBank:
    return MemoryBank.open(url, embedder=FreeEmbedder(), pool_size=1)


def fill(url: str, users: int, each: int, large: int) -> dict[str, float]:
    """Store what is missing; return turns stored per second."""
    figures = {}
    history = turns(max(each, large))
    with open_bank(url) as bank:
        if not bank.stats(user_id="user-0").memories:
            began = time.perf_counter()
            for start in range(0, each, ROUND):
                for user in range(users):
                    bank.add(history[start : min(start + ROUND, each)], user_id=f"user-{user}")
            figures["stored_per_s"] = users * each / (time.perf_counter() - began)
        if not bank.stats(user_id=LARGE).memories:
            began = time.perf_counter()
            for start in range(0, large, ROUND):
                bank.add(history[start : start + ROUND], user_id=LARGE)
            figures["large_stored_per_s"] = large / (time.perf_counter() - began)
        if figures:
            bank.compact()
        figures["database_mb"] = bank.stats().file_bytes / 2**20
    return figures


def search(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that searches as a random user; `users` of 0 means the large one."""
    bank, queries, draw = open_bank(url), questions(200, seed=number), random.Random(number)
    now = turns(each)[-1].at

    def call() -> object:
        user_id = f"user-{draw.randrange(users)}" if users else LARGE
        return bank.search(draw.choice(queries), user_id=user_id, k=10, now=now)

    return call


def nearest(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that runs the same search with pgvector alone."""
    db, embedder, draw = (
        psycopg.connect(url, autocommit=True),
        FreeEmbedder(),
        random.Random(number),
    )
    register_vector(db)
    vectors = [embedder.embed_query(query) for query in questions(200, seed=number)]

    def call() -> object:
        user_id = f"user-{draw.randrange(users)}" if users else LARGE
        return db.execute(NEAREST, (user_id, bool(users), draw.choice(vectors))).fetchall()

    return call


def add(url: str, users: int, each: int, number: int) -> Callable[[], object]:
    """Return a function that adds one turn of a random user."""
    bank, draw = open_bank(url), random.Random(number)
    history = turns(each)

    def call() -> object:
        turn = draw.choice(history)
        user_id = f"user-{draw.randrange(users)}" if users else LARGE
        new = type(turn)(
            turn.query, turn.response, at=history[-1].at, id=f"{number}-{time.time_ns()}"
        )
        return bank.add([new], user_id=user_id)

    return call


def client(
    work: Callable[..., Callable[[], object]], number: int, arguments: tuple, begin, times
) -> None:
    """Run one process: call until the time is over, and report the duration of each call."""
    call = work(*arguments, number)
    for _ in range(10):
        call()
    begin.wait()
    taken, end = [], time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < end:
        call()
        taken.append(time.perf_counter() - began)
    times.put(taken)


def measure(
    work: Callable[..., Callable[[], object]], clients: int, *arguments: object
) -> dict[str, float]:
    """Return calls per second, and the duration of a call in ms."""
    spawned = multiprocessing.get_context("spawn")
    begin, times = spawned.Barrier(clients), spawned.Queue()
    processes = [
        spawned.Process(target=client, args=(work, number, arguments, begin, times))
        for number in range(clients)
    ]
    for process in processes:
        process.start()
    taken = sorted(time for _ in processes for time in times.get(timeout=300))
    for process in processes:
        process.join()
    return {
        "per_s": round(len(taken) / SECONDS, 1),
        "median_ms": round(statistics.median(taken) * 1000, 2),
        "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 2),
    }


def main(url: str, users: int = 1000, each: int = 1000, large: int = 100_000) -> None:
    with psycopg.connect(url) as db:
        version = db.info.server_version // 10000
    print(f"{machine()}, PostgreSQL {version}, {without_password(url)}")
    print(json.dumps({k: round(v) for k, v in fill(url, users, each, large).items()}), flush=True)
    for name, work, of in (
        ("search", search, users),
        ("pgvector alone", nearest, users),
        ("search, large user", search, 0),
        ("pgvector alone, large user", nearest, 0),
        ("add", add, users),
        ("add, large user", add, 0),
    ):
        for clients in CLIENTS:
            print(json.dumps({name: clients} | measure(work, clients, url, of, each)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
