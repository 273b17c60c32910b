"""Measure a file with a million memories of a thousand users: open, search, and memory use.

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

from common import (
    FreeEmbedder,
    describe_machine,
    make_questions,
    make_turns,
    median_ms,
    resident_mb,
)

from memorybank_core import MemoryBank

ROUND = 250  # turns per user and round: the rows of the users are interleaved
BUDGET_MB = 256


def fill(path: Path, users: int, each: int) -> float:
    """Fill a bank; return the turns stored per second."""
    dialogue = make_turns(each)
    start = time.perf_counter()
    with MemoryBank.open(path, embedder=FreeEmbedder()) as bank:
        for offset in range(0, each, ROUND):
            for user in range(users):
                bank.add(dialogue[offset : offset + ROUND], user_id=f"user-{user}")
    return users * each / (time.perf_counter() - start)


def probe(path: Path, users: int, each: int) -> dict[str, float]:
    """Return the times and the memory of one process that opens and searches the file."""
    now = make_turns(each)[-1].at
    query_texts = make_questions(100)
    base = resident_mb()
    start = time.perf_counter()
    bank = MemoryBank.open(path, embedder=FreeEmbedder(), cache_bytes=BUDGET_MB * 2**20)
    opened = time.perf_counter() - start
    cold = []
    for user in range(min(users, 300)):
        start = time.perf_counter()
        bank.search(query_texts[0], user_id=f"user-{user}", k=10, now=now)
        cold.append(time.perf_counter() - start)
    warm = median_ms(
        [lambda q=q: bank.search(q, user_id="user-7", k=10, now=now) for q in query_texts]
    )
    for user in range(users):
        bank.search(query_texts[1], user_id=f"user-{user}", k=10, now=now)
    return {
        "open_ms": opened * 1000,
        "first_search_ms": cold[0] * 1000,
        "cold_search_ms": statistics.median(cold) * 1000,
        "warm_search_ms": warm,
        "cache_mb": bank.store.cache_nbytes / 2**20,
        "resident_mb": resident_mb(),
        "resident_before_mb": base,
    }


def probe_in_subprocess(path: Path, users: int, each: int) -> dict[str, float]:
    """Run `probe` in a separate process."""
    command = [sys.executable, __file__, "--probe", str(path), str(users), str(each)]
    process = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: round(value, 2) for name, value in json.loads(process.stdout).items()}


def main(users: int, each: int) -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        large, alone = Path(folder) / "large.db", Path(folder) / "alone.db"
        print(json.dumps({"stored_per_s": round(fill(large, users, each))}), flush=True)
        print(json.dumps({"file_mb": round(large.stat().st_size / 2**20)}))
        fill(alone, 8, each)
        print(json.dumps({"users": users} | probe_in_subprocess(large, users, each)), flush=True)
        print(json.dumps({"users": 8} | probe_in_subprocess(alone, 8, each)), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        print(json.dumps(probe(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main(*([int(number) for number in sys.argv[1:]] or [1000, 1000]))
