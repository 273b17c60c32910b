"""Processes for the tests of durability: `python processes.py WHAT PATH NUMBER`.

Children are forked from this one, so that two hundred of them start in seconds. What a child
has been acknowledged it writes to stdout, a line a call: `write` is atomic, a kill tears nothing.
"""

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
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path

import memorybank_core.stores.sqlite.store  # noqa: F401 - FAISS loads here, not in each forked child
from memorybank_core import HashingEmbedder, MemoryBank, StoreWriteError, Turn

NOON = datetime(2023, 5, 4, 12, tzinfo=timezone.utc)
BATCH = 5


def word_of(id):
    """A word that no other turn has."""
    return f"word{id.replace('-', 'x')}"


def turn_of(id):
    """The one turn that belongs to an id such as "7-3-0": what was written can be told from it."""
    number = sum(int(part) * 7**place for place, part in enumerate(id.split("-")))
    words = f"{word_of(id)} " + "tea " * (number % 900)
    return Turn(words, f"answer to {id}", NOON + timedelta(minutes=number % 9999), id)


def open_bank(path):
    return MemoryBank.open(path, embedder=HashingEmbedder())


def finds(bank, id):
    """Whether a search for the turn's own word finds it."""
    return id in [result.memory.id for result in bank.search(word_of(id), user_id="ada")]


def forked(call, *arguments):
    """Starts `call` in a child that ends without cleaning up; returns its pid."""
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
    """Writers of one file, one after another, each killed after a random while."""
    rng = random.Random(5)
    for round in range(rounds):
        pid = forked(write_until_killed, path, round)
        time.sleep(rng.uniform(0.0, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def create(path, rounds):
    """Writers of a new file each, killed about when they make it."""
    rng = random.Random(6)
    for round in range(rounds):
        pid = forked(write_until_killed, f"{path}-{round}", round)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def visit(path, _):
    """Opens a bank, reads and writes, and closes it."""
    with open_bank(path) as bank:
        bank.add([Turn("visit")], user_id="visitor")
        bank.timeline(user_id="ada")


def open_at_once(path, barrier, name):
    barrier.wait()
    with open_bank(path) as bank:
        bank.add([Turn(f"from {name}", id=name)], user_id="ada")
    os.write(1, f"{path} {name}\n".encode())


def meet(path, rounds):
    """Two processes that open the same new file at the same moment."""
    for round in range(rounds):
        barrier = multiprocessing.get_context("fork").Barrier(2)
        names = ("one", "two")
        pids = [forked(open_at_once, f"{path}-{round}", barrier, name) for name in names]
        for pid in pids:
            os.waitpid(pid, 0)


def pair(path, turns):
    """Two processes that write and search one user's memories at once, and find each other."""
    pids = [forked(write_and_search, path, turns, me, 3 - me) for me in (1, 2)]
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
    """Opens a bank in a folder, then one that exists, where only reading is allowed."""
    if os.getuid() == 0:
        os.setuid(user)
    for name in ("new.db", "old.db"):
        try:
            open_bank(f"{path}/{name}").close()
        except StoreWriteError as error:
            os.write(1, f"{name}: {error}\n".encode())


def disk_full(path, room):
    """Adds until files may not grow any more, then goes on with the limit lifted."""
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


def canary_turn(id):
    """A turn of any size, by its id; ids look like "canary17z"."""
    size = zlib.crc32(id.encode())
    return Turn(f"{id} " + "x" * (size % (20, 200, 3000, 20_000)[size % 4]), "", NOON, id)


def canaries(folder):
    """The ids that are in any file of a folder. A process of its own reads them: whoever closes
    a file drops the locks that SQLite's connections in his process hold on it."""
    files = sorted(str(file) for file in Path(folder).iterdir())
    found = subprocess.run(["cat", *files], capture_output=True, check=True).stdout
    return {id.decode() for id in re.findall(rb"canary[0-9]+z", found)}


def obey(bank, verb, ids):
    """Adds or erases canaries, each with its own user."""
    for user in sorted({id[-2] for id in ids}):
        mine = [id for id in ids if id[-2] == user]
        if verb == "add":
            bank.add([canary_turn(id) for id in mine], user_id=user)
        else:
            assert bank.delete(user_id=user, ids=mine).erased
        bank.timeline(user_id=user)


def serve(path, _):
    """Obeys lines such as "add canary1z canary2z", all with one bank, which stays open."""
    with open_bank(path) as bank:
        for line in sys.stdin:
            verb, *ids = line.split()
            obey(bank, verb, ids)
            os.write(1, b"done\n")


@contextmanager
def serving(path):
    """A process that runs `serve`; yields what tells it a verb and ids, and waits for it."""
    with subprocess.Popen(
        [sys.executable, __file__, "serve", path, "0"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def tell(verb, ids):
            print(verb, *ids, file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        yield tell


def erase_until_killed(path, round):
    with open_bank(path) as bank:
        ids = [f"canary{round:02}{number:03}z" for number in range(60)]
        obey(bank, "add", ids)
        for id in ids:
            obey(bank, "delete", [id])


def kill_erasers(path, rounds):
    """Killed in the middle of deleting; then the next deletion is to erase it all."""
    rng = random.Random(7)
    for _ in range(3):
        with open_bank(path) as bank:
            obey(bank, "add", [f"canary9{rng.randrange(10**6)}z" for _ in range(200)])
    for round in range(rounds):
        pid = forked(erase_until_killed, path, round)
        time.sleep(rng.uniform(0.02, 0.15))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with closing(sqlite3.connect(path)) as db:
            sound = db.execute("PRAGMA integrity_check").fetchone()[0]
        with open_bank(path) as bank:
            erased = bank.delete(user_id="nobody").erased
            alive = {memory.id for user in bank.users() for memory in bank.timeline(user_id=user)}
            left = canaries(Path(path).parent) - alive
        os.write(1, f"{sound} {erased} {sorted(left)}\n".encode())


class MortalLLM:
    """Says whom it digests on stdout; kills its process when it is asked the so manieth time."""

    name = "mortal"

    def __init__(self, last):
        self.calls, self.last = count(1), last

    def complete(self, messages, *, max_tokens=None, stop=None):
        asked = zlib.crc32(messages[-1]["content"].encode())
        os.write(1, f"{asked}\n".encode())
        if next(self.calls) == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return f"A digest, {asked}."


def digest(path, last, concurrency):
    with open_bank(path) as bank:
        bank.llm = MortalLLM(last)
        bank.summarize(concurrency=concurrency)
    os._exit(0)


def digest_until_done(path, concurrency):
    """Digests a bank, killed at each run's third call (or the concurrency's) until one is whole."""
    status = 1
    while status:
        pid = forked(digest, path, max(3, concurrency + 1), concurrency)
        status = os.waitpid(pid, 0)[1]
        os.write(1, b"killed\n" if status else b"done\n")


def environment():
    """This process's, for a child that imports what this one can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def run(what, path, number):
    """Runs a function of this file in a process of its own; the lines that it wrote."""
    done = subprocess.run(
        [sys.executable, __file__, what, path, str(number)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
