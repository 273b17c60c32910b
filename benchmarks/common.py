"""Functions that the benchmarks share: synthetic dialogue, a trivial embedder, and timing."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from memorybank_core import Turn

START = datetime(2020, 1, 1, 9, tzinfo=timezone.utc)
DIMENSION = 384
_SYLLABLES = "ka lo mi ren tu sha bel dor vin pe gra so ul ith an qua ze fro".split()


class FreeEmbedder:
    """Embedder of random unit vectors that are made in advance, so that it takes almost no time."""

    name, dimension = "free", DIMENSION

    def __init__(self, seed: int = 0) -> None:
        self._vectors = random_unit_vectors(4096, seed)

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return a vector for each text."""
        return self._vectors[[zlib.crc32(text.encode()) % 4096 for text in texts]] + self._noise(
            len(texts)
        )

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a query."""
        return self._vectors[len(text) % 4096]

    def _noise(self, count: int) -> np.ndarray:
        return np.random.default_rng(count).normal(0, 0.01, (count, DIMENSION)).astype(np.float32)


def random_unit_vectors(count: int, seed: int) -> np.ndarray:
    """Return float32 (count, DIMENSION), rows of unit length."""
    matrix = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def make_vocabulary(size: int = 5000, seed: int = 1) -> list[str]:
    """Return random words of one to four syllables."""
    rng = random.Random(seed)
    return ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(size)]


def make_turns(count: int, seed: int = 2, per_day: int = 20) -> list[Turn]:
    """Return turns of about 40 words with Zipf's distribution, `per_day` of them each day."""
    rng, words = random.Random(seed), make_vocabulary()
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [
        Turn(
            " ".join(rng.choices(words, weights, k=15)),
            " ".join(rng.choices(words, weights, k=25)),
            at=START + timedelta(days=i // per_day, minutes=i % per_day),
            id=f"turn-{i}",
        )
        for i in range(count)
    ]


def make_questions(count: int, seed: int = 3) -> list[str]:
    """Return questions of eight words with the same distribution."""
    rng, words = random.Random(seed), make_vocabulary()
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [" ".join(rng.choices(words, weights, k=8)) for _ in range(count)]


def median_ms(calls: list[Callable[[], object]]) -> float:
    """Return the median milliseconds of the calls, after three calls to warm up."""
    for call in calls[:3]:
        call()
    times = []
    for call in calls:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def resident_mb() -> float:
    """Return the resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def describe_machine() -> str:
    """Return the processor, the number of cores and the Python version."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
