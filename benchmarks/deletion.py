"""Compare erasing one memory of a large file in place with rewriting the file.

python benchmarks/deletion.py [users] [memories of each]
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import FreeEmbedder, describe_machine
from scale import fill

from memorybank_core import MemoryBank


def time_ms(call: Callable[[], object]) -> float:
    """Return the duration of a call in milliseconds."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def write_bytes(path: Path, size: int) -> None:
    """Write `size` bytes durably, for comparison."""
    with path.open("wb") as file:
        for _ in range(size // 2**20):
            file.write(bytes(2**20))
        file.flush()
        os.fsync(file.fileno())


def main(users: int, each: int) -> None:
    """Print the durations as JSON."""
    print(describe_machine())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bank.db"
        fill(path, users, each)
        size = path.stat().st_size
        with MemoryBank.open(path, embedder=FreeEmbedder()) as bank:
            erased = [
                time_ms(lambda n=n: bank.delete(user_id="user-1", ids=[f"turn-{n}"]))
                for n in range(10)
            ]
            rewritten = [time_ms(bank.compact) for _ in range(3)]
        row = {
            "file_mb": size / 2**20,
            "first_delete_ms": erased[0],
            "next_delete_ms": statistics.median(erased[1:]),
            "vacuum_ms": statistics.median(rewritten),
            "write_as_much_ms": time_ms(lambda: write_bytes(Path(folder) / "bare", size)),
        }
    print(json.dumps({name: round(value, 1) for name, value in row.items()}))


if __name__ == "__main__":
    main(*([int(number) for number in sys.argv[1:]] or [160, 1000]))
