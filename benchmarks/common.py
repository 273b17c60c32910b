"""Shared parts of the benchmarks: synthetic dialogue, an embedder without cost, and timing."""

from __future__ import annotations

import os
import platform
import random
import statistics
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from memorybank_core import Turn

START = datetime(2020, 1, 1, 9, tzinfo=timezone.utc)
DIMENSION = 384
_SYLLABLES = "ka lo mi ren tu sha bel dor vin pe gra so ul ith an qua ze fro".split()


class FreeEmbedder:
    """Random unit vectors, made in advance, so that embedding takes almost no time."""

    name, dimension = "free", DIMENSION

    def __init__(self, seed: int = 0) -> None:
        self._vectors = random_unit_vectors(4096, seed)

    def embed_documents(self, texts: list[str]) -> np.ndarray:
        """Return a vector for each text."""
        return self._vectors[[hash(text) % 4096 for text in texts]] + self._noise(len(texts))

    def embed_query(self, text: str) -> np.ndarray:
        """Return the vector of a query."""
        return self._vectors[len(text) % 4096]

    def _noise(self, count: int) -> np.ndarray:
        return np.random.default_rng(count).normal(0, 0.01, (count, DIMENSION)).astype(np.float32)


def random_unit_vectors(count: int, seed: int) -> np.ndarray:
    matrix = np.random.default_rng(seed).normal(size=(count, DIMENSION)).astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def vocabulary(size: int = 5000, seed: int = 1) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(size)]


def turns(count: int, seed: int = 2, a_day: int = 20) -> list[Turn]:
    """Return turns of about 40 words with Zipf's distribution, `a_day` of them each day."""
    draw, words = random.Random(seed), vocabulary()
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [
        Turn(
            " ".join(draw.choices(words, weights, k=15)),
            " ".join(draw.choices(words, weights, k=25)),
            at=START + timedelta(days=i // a_day, minutes=i % a_day),
            id=f"turn-{i}",
        )
        for i in range(count)
    ]


def questions(count: int, seed: int = 3) -> list[str]:
    draw, words = random.Random(seed), vocabulary()
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    return [" ".join(draw.choices(words, weights, k=8)) for _ in range(count)]


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
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def machine() -> str:
    """Describe the machine."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
