"""A file of a million memories of a thousand users: opening, cold and warm search, memory.

python benchmarks/scale.py [users] [memories of each]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import FreeEmbedder, machine, median_ms, questions, resident_mb, turns

from memorybank_core import MemoryBank

ROUND = 250  # users write in turns, so that their rows do not simply lie one user after another
BUDGET_MB = 256


def fill(path: Path, users: int, each: int) -> float:
    """Turns stored a second."""
    told = turns(each)
    began = time.perf_counter()
    with MemoryBank.open(path, embedder=FreeEmbedder()) as bank:
        for start in range(0, each, ROUND):
            for user in range(users):
                bank.add(told[start : start + ROUND], user_id=f"user-{user}")
    return users * each / (time.perf_counter() - began)


def probe(path: Path, users: int, each: int) -> dict[str, float]:
    """One process's life with the file."""
    now = turns(each)[-1].at
    asked = questions(100)
    base = resident_mb()
    began = time.perf_counter()
    bank = MemoryBank.open(path, embedder=FreeEmbedder(), cache_bytes=BUDGET_MB * 2**20)
    opened = time.perf_counter() - began
    cold = []
    for user in range(min(users, 300)):
        began = time.perf_counter()
        bank.search(asked[0], user_id=f"user-{user}", k=10, now=now)
        cold.append(time.perf_counter() - began)
    warm = median_ms([lambda q=q: bank.search(q, user_id="user-7", k=10, now=now) for q in asked])
    for user in range(users):
        bank.search(asked[1], user_id=f"user-{user}", k=10, now=now)
    return {
        "open_ms": opened * 1000,
        "first_search_ms": cold[0] * 1000,
        "cold_search_ms": statistics.median(cold) * 1000,
        "warm_search_ms": warm,
        "cache_mb": bank.store.cache_nbytes / 2**20,
        "resident_mb": resident_mb(),
        "resident_before_mb": base,
    }


def measured(path: Path, users: int, each: int) -> dict[str, float]:
    """`probe` in a process of its own."""
    command = [sys.executable, __file__, "--probe", str(path), str(users), str(each)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: round(value, 2) for name, value in json.loads(done.stdout).items()}


def main(users: int, each: int) -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        large, alone = Path(folder) / "large.db", Path(folder) / "alone.db"
        print(json.dumps({"stored_per_s": round(fill(large, users, each))}), flush=True)
        print(json.dumps({"file_mb": round(large.stat().st_size / 2**20)}))
        fill(alone, 8, each)
        print(json.dumps({"users": users} | measured(large, users, each)), flush=True)
        print(json.dumps({"users": 8} | measured(alone, 8, each)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        print(json.dumps(probe(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main(*([int(number) for number in sys.argv[1:]] or [1000, 1000]))
