"""Made-up turns for the parts of the comparison that need many: what is lost, and what it costs."""

from __future__ import annotations

import functools
import itertools
import random
from datetime import datetime, timedelta, timezone

from compare.protocol import Turn

START = datetime(2024, 1, 1, 9, tzinfo=timezone.utc)
CANARY = "vermilion-4711-okapi"
_SYLLABLES = "ka lo mi ren tu sha bel dor vin pe gra so ul ith an qua ze fro".split()


def _words(rng: random.Random, count: int) -> str:
    """Return words of Zipf's distribution, out of 5,000."""
    vocabulary, cumulative = _vocabulary()
    return " ".join(rng.choices(vocabulary, cum_weights=cumulative, k=count))


@functools.cache
def _vocabulary(size: int = 5000) -> tuple[list[str], list[float]]:
    """Return the words and their cumulated weights."""
    rng = random.Random(1)
    words = ["".join(rng.choices(_SYLLABLES, k=rng.randint(1, 4))) for _ in range(size)]
    return words, list(itertools.accumulate(1 / rank for rank in range(1, size + 1)))


def make_turns(count: int, seed: int = 2, prefix: str = "turn") -> list[Turn]:
    """Return turns of about forty words, twenty a day, in sessions of ten."""
    rng = random.Random(seed)
    return [
        Turn(
            f"{prefix}-{i}",
            START + timedelta(days=i // 20, minutes=i % 20),
            f"{prefix}-session-{i // 10}",
            _words(rng, 15).capitalize() + ".",
            _words(rng, 25).capitalize() + ".",
        )
        for i in range(count)
    ]


def make_questions(count: int, seed: int = 3) -> list[str]:
    """Return questions of eight words."""
    rng = random.Random(seed)
    return [_words(rng, 8).capitalize() + "?" for _ in range(count)]
