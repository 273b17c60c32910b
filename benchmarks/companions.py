"""What SiliconFriend adds to a turn when twenty people talk with it at once in one process.

python benchmarks/companions.py [turns each]    the model answers at once, the embedder is free
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import FreeEmbedder, machine, questions, turns
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from memorybank_core import MemoryBank
from memorybank_langchain.siliconfriend import Companion

PEOPLE, KNOWN = 20, 500
PAUSE = 1.0  # seconds between an answer and what is said next, far less than a person takes


def model() -> GenericFakeChatModel:
    """Answers at once, for ever."""
    return GenericFakeChatModel(messages=iter(AIMessage("Certainly.") for _ in iter(int, 1)))


def talk(bank: MemoryBank, number: int, count: int, pause: float) -> list[float]:
    """Milliseconds of each turn of one person, its first ones left out."""
    companion = Companion(model(), bank, user_id=f"person-{number}")
    times = []
    time.sleep(pause * number / PEOPLE)  # people do not speak in chorus
    for question in questions(count, seed=number):
        began = time.perf_counter()
        list(companion.say(question))
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(pause)
    return times[2:]


def measured(bank: MemoryBank, people: int, count: int, pause: float) -> dict[str, float]:
    with ThreadPoolExecutor(people) as pool:
        talks = pool.map(lambda number: talk(bank, number, count, pause), range(people))
        times = sorted(one for told in talks for one in told)
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
        for number in range(PEOPLE):
            bank.add(turns(KNOWN, seed=100 + number), user_id=f"person-{number}")
        told = {
            "one alone": measured(bank, 1, count, 0.0),
            f"{PEOPLE}, a turn a second each": measured(bank, PEOPLE, count, PAUSE),
            f"{PEOPLE}, without a pause": measured(bank, PEOPLE, count, 0.0),
        }
    print(json.dumps({"machine": machine(), "memories each": KNOWN, **told}, indent=2))


if __name__ == "__main__":
    main()
