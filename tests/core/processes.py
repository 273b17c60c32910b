"""Processes for the tests of durability: `python processes.py FUNCTION PATH NUMBER`.

Children are forked from this process, so that two hundred of them start in seconds. A child
prints one line to stdout for each acknowledged call. `os.write` is atomic: a kill never leaves
part of a line.
"""

import logging
import multiprocessing
import os
import random
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import traceback
import zlib
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import memorybank_core.stores.sqlite.store  # noqa: F401 - FAISS loads here, not in each forked child
from memorybank_core import HashingEmbedder, MemoryBank, StoreWriteError, Turn

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
BATCH = 5


def word_of(id):
    """Return a word that no other turn contains."""
    return f"word{id.replace('-', 'x')}"


def turn_of(id):
    """Return the turn of an id such as "7-3-0"; the same id always has the same turn."""
    number = sum(int(part) * 7**place for place, part in enumerate(id.split("-")))
    words = f"{word_of(id)} " + "tea " * (number % 900)
    return Turn(words, f"answer to {id}", NOON + timedelta(minutes=number % 9999), id)


def open_bank(path):
    return MemoryBank.open(path, embedder=HashingEmbedder())


def finds(bank, id):
    """Return whether a search for the word of a turn finds the turn.

    The embedder's hashes can put a few other turns before it, so this looks beyond the first ones.
    """
    return id in [result.memory.id for result in bank.search(word_of(id), user_id="ada", k=50)]


def fork(call, *arguments):
    """Start `call` in a child process that ends without cleanup, and return its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            call(*arguments)
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(1)
    return pid


def write_until_killed(path, round):
    bank = open_bank(path)
    for call in count():
        ids = [f"{round}-{call}-{part}" for part in range(BATCH if call % 2 else 1)]
        bank.add([turn_of(id) for id in ids], user_id="ada")
        os.write(1, (" ".join(ids) + "\n").encode())


def kill(path, rounds):
    """Start writers of one file, one after another, and kill each after a random time."""
    rng = random.Random(5)
    for round in range(rounds):
        pid = fork(write_until_killed, path, round)
        time.sleep(rng.uniform(0.0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def create(path, rounds):
    """Start writers, each of a new file, and kill each at about the time it creates the file."""
    rng = random.Random(6)
    for round in range(rounds):
        pid = fork(write_until_killed, f"{path}-{round}", round)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def visit(path, _):
    """Open a bank, read, write, and close it."""
    with open_bank(path) as bank:
        bank.add([Turn("visit")], user_id="visitor")
        bank.timeline(user_id="ada")


def open_at_once(path, barrier, name):
    barrier.wait()
    with open_bank(path) as bank:
        bank.add([Turn(f"from {name}", id=name)], user_id="ada")
    os.write(1, f"{path} {name}\n".encode())


def meet(path, rounds):
    """Start two processes that open the same new file at the same time."""
    for round in range(rounds):
        barrier = multiprocessing.get_context("fork").Barrier(2)
        names = ("one", "two")
        pids = [fork(open_at_once, f"{path}-{round}", barrier, name) for name in names]
        for pid in pids:
            os.waitpid(pid, 0)


def pair(path, turns):
    """Start two processes that write and search one user's memories until they find each other."""
    pids = [fork(write_and_search, path, turns, me, 3 - me) for me in (1, 2)]
    for pid in pids:
        os.waitpid(pid, 0)


def write_and_search(path, turns, me, other):
    with open_bank(path) as bank:
        for number in range(turns):
            id = f"{me}-{number}-0"
            bank.add([turn_of(id)], user_id="ada")
            if not finds(bank, id):
                os.write(1, f"{id} was not found\n".encode())
        last, deadline = f"{other}-{turns - 1}-0", time.monotonic() + 20
        while time.monotonic() < deadline:
            if finds(bank, last):
                os.write(1, b"met\n")
                return
            time.sleep(0.01)


def read_only(path, user):
    """Open a new bank, and read an existing one, in a read-only folder; try to write to it."""
    if os.getuid() == 0:
        os.setuid(user)
    logging.disable()  # the warning that the bank is only read
    with suppress(StoreWriteError):
        open_bank(f"{path}/new.db").close()
        os.write(1, b"new.db was opened\n")
    with open_bank(f"{path}/old.db") as bank:
        found = bank.search("tea", user_id="ada")
        read = [bank.readonly, len(found), bank.reinforce(found, user_id="ada")]
        try:
            bank.add([Turn("I like rain.")], user_id="ada")
        except StoreWriteError as error:
            os.write(1, f"{read} {error}\n".encode())


def disk_full(path, room):
    """Add turns until a limit of the file size is reached; then remove the limit and add again."""
    with open_bank(path) as bank:
        limit = Path(f"{path}-wal").stat().st_size + room
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        for call in range(10_000):
            ids = [f"0-{call}-{part}" for part in range(BATCH)]
            try:
                bank.add([turn_of(id) for id in ids], user_id="ada")
            except StoreWriteError as error:
                os.write(1, f"{error}\n".encode())
                break
            os.write(1, (" ".join(ids) + "\n").encode())
        os.write(1, f"{bank.stats().memories}\n".encode())
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        bank.add([turn_of(id) for id in ids], user_id="ada")


def delete_on_full_disk(path, room):
    """Fill a disk, then delete a memory, a day and a user, and add a turn.

    The size of files is limited, to `room` bytes more than the file has, or the disk becomes full:
    with -1 by the bank, with -2 by another file.
    """
    with open_bank(path) as bank:
        bank.add([turn_of(f"0-{call}-0") for call in range(200)], user_id="ada")
        bank.delete(user_id="ada", ids=["0-7-0"])
        if room >= 0:
            limit = Path(path).stat().st_size + room
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        elif room == -2:
            with suppress(OSError), Path(f"{path}.other").open("wb", buffering=0) as other:
                while other.write(bytes(4096)):
                    pass
        with suppress(StoreWriteError):
            for call in count(200):
                bank.add([turn_of(f"0-{call}-0")], user_id="ada")
        one = bank.delete(user_id="ada", ids=["0-8-0"])
        day = bank.delete(user_id="ada", day=NOON.date())
        rest = bank.delete(user_id="ada")
        bank.add([Turn("after", id="after")], user_id="ada")
        gone = [one.memories == 1, day.memories > 100, one.erased and rest.erased]
        os.write(1, (" ".join(map(str, gone)) + "\n").encode())


def canary_turn(id):
    """Return a turn whose size depends on its id, such as "canary17z"."""
    size = zlib.crc32(id.encode())
    return Turn(f"{id} " + "x" * (size % (20, 200, 3000, 20_000)[size % 4]), "", NOON, id)


def find_canaries(folder):
    """Return the ids of canaries that occur in the files of a folder.

    A separate process reads the files: closing a file drops the locks on it that SQLite's
    connections in the same process hold.
    """
    files = sorted(str(file) for file in Path(folder).iterdir())
    content = subprocess.run(["cat", *files], capture_output=True, check=True).stdout
    return {id.decode() for id in re.findall(rb"canary[0-9]+z", content)}


def execute(bank, verb, ids):
    """Add or erase canaries. The last digit of an id is its user."""
    for user in sorted({id[-2] for id in ids}):
        user_ids = [id for id in ids if id[-2] == user]
        if verb == "add":
            bank.add([canary_turn(id) for id in user_ids], user_id=user)
        else:
            assert bank.delete(user_id=user, ids=user_ids).erased
        bank.timeline(user_id=user)


def serve(path, _):
    """Execute lines of stdin such as "add canary1z canary2z" with one bank that stays open."""
    with open_bank(path) as bank:
        for line in sys.stdin:
            verb, *ids = line.split()
            execute(bank, verb, ids)
            os.write(1, b"done\n")


@contextmanager
def serving(path):
    """Run `serve` in a process, and yield a function that sends it a command and waits for it."""
    with subprocess.Popen(
        [sys.executable, __file__, "serve", path, "0"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def send(verb, ids):
            print(verb, *ids, file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        yield send


def erase_until_killed(path, round):
    with open_bank(path) as bank:
        ids = [f"canary{round:02}{number:03}z" for number in range(60)]
        execute(bank, "add", ids)
        for id in ids:
            execute(bank, "delete", [id])


def kill_erasers(path, rounds):
    """Kill processes that are deleting; then check that the next deletion erases everything."""
    rng = random.Random(7)
    for _ in range(3):
        with open_bank(path) as bank:
            execute(bank, "add", [f"canary9{rng.randrange(10**6)}z" for _ in range(200)])
    for round in range(rounds):
        pid = fork(erase_until_killed, path, round)
        time.sleep(rng.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with closing(sqlite3.connect(path)) as db:
            sound = db.execute("PRAGMA integrity_check").fetchone()[0]
        with open_bank(path) as bank:
            erased = bank.delete(user_id="nobody").erased
            alive = {memory.id for user in bank.users() for memory in bank.timeline(user_id=user)}
            left = find_canaries(Path(path).parent) - alive
        os.write(1, f"{sound} {erased} {sorted(left)}\n".encode())


class MortalLLM:
    """Model that prints a checksum of each prompt, and kills its process at call number `last`."""

    name = "mortal"

    def __init__(self, last):
        self.calls, self.last = count(1), last

    def complete(self, messages, *, max_tokens=None, stop=None):
        checksum = zlib.crc32(messages[-1]["content"].encode())
        os.write(1, f"{checksum}\n".encode())
        if next(self.calls) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"A digest, {checksum}."


def digest(path, last, concurrency):
    with open_bank(path) as bank:
        bank.llm = MortalLLM(last)
        bank.summarize(concurrency=concurrency)
    os._exit(0)


def digest_until_done(path, concurrency):
    """Digest a bank in processes that are killed at a call, until one of them completes."""
    status = 1
    while status:
        pid = fork(digest, path, max(3, concurrency + 1), concurrency)
        status = os.waitpid(pid, 0)[1]
        os.write(1, b"killed\n" if status else b"done\n")


def environment():
    """Return the environment for a child process that can import the same modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run(function, path, number):
    """Run a function of this file in a separate process, and return the lines that it printed."""
    process = subprocess.run(
        [sys.executable, __file__, function, path, str(number)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (process.returncode, process.stderr) == (0, ""), process.stderr
    return process.stdout.splitlines()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
