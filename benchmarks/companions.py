"""Measure the time that SiliconFriend adds to a turn while twenty users talk in one process.

python benchmarks/companions.py [turns per user]

The model and the embedder take no time.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import FreeEmbedder, describe_machine, make_questions, make_turns
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from memorybank_core import MemoryBank
from memorybank_langchain.siliconfriend import Companion

USERS, MEMORIES = 20, 500
PAUSE = 1.0  # seconds between an answer and the next message; people take much longer


def constant_model() -> GenericFakeChatModel:
    """Return a model that answers at once, any number of times."""
    return GenericFakeChatModel(messages=iter(AIMessage("Certainly.") for _ in iter(int, 1)))


def talk(bank: MemoryBank, number: int, count: int, pause: float) -> list[float]:
    """Return the milliseconds of each turn of one user, without the first two."""
    companion = Companion(constant_model(), bank, user_id=f"user-{number}")
    times = []
    time.sleep(pause * number / USERS)  # so that users do not send at the same time
    for question in make_questions(count, seed=number):
        started = time.perf_counter()
        list(companion.say(question))
        times.append(1000 * (time.perf_counter() - started))
        time.sleep(pause)
    return times[2:]


def measure(bank: MemoryBank, users: int, count: int, pause: float) -> dict[str, float]:
    """Return the median and the 95th percentile of all users' turns."""
    with ThreadPoolExecutor(users) as pool:
        talks = pool.map(lambda number: talk(bank, number, count, pause), range(users))
        times = sorted(duration for durations in talks for duration in durations)
    return {
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(len(times) * 0.95)], 1),
    }


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 12
    with (
        tempfile.TemporaryDirectory() as folder,
        MemoryBank.open(Path(folder) / "bank.db", embedder=FreeEmbedder()) as bank,
    ):
        for number in range(USERS):
            bank.add(make_turns(MEMORIES, seed=100 + number), user_id=f"user-{number}")
        results = {
            "1 user": measure(bank, 1, count, 0.0),
            f"{USERS} users, a turn per second each": measure(bank, USERS, count, PAUSE),
            f"{USERS} users, without pauses": measure(bank, USERS, count, 0.0),
        }
    print(
        json.dumps(
            {"machine": describe_machine(), "memories per user": MEMORIES, **results}, indent=2
        )
    )


if __name__ == "__main__":
    main()
