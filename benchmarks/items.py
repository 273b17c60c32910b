"""Measure LangGraph's store: searches of `MemoryBankStore` among 1,000 to 100,000 items.

python benchmarks/items.py [URL]

Without the URL of a database, a new file is measured. An empty database is filled first; a second
run measures immediately.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

from common import (
    START,
    FreeEmbedder,
    describe_machine,
    make_questions,
    make_turns,
    median_ms,
    random_unit_vectors,
    resident_mb,
)

from memorybank_core import MemoryBank
from memorybank_core.locations import without_password
from memorybank_core.protocols import Item
from memorybank_langchain import MemoryBankStore

SIZES = {"small": 1_000, "middle": 10_000, "large": 100_000}
"""The first label of each prefix, and the number of items under it."""

BATCH = 1_000
CALLS = 25


def make_items(root: str, count: int) -> Iterator[list[Item]]:
    """Yield batches of items: notes of 40 words with a topic and a number."""
    texts = [turn.text for turn in make_turns(2_000)]
    for start in range(0, count, BATCH):
        items = []
        for number in range(start, start + BATCH):
            value = {"text": texts[number % len(texts)], "topic": number % 10, "number": number}
            at = START + timedelta(seconds=number)
            name = (root, f"user-{number % 20}"), f"note-{number}", json.dumps(value)
            items.append(Item(*name, at, at, fields=("text",)))
        yield items


def fill(bank: MemoryBank) -> None:
    """Store the items that are missing."""
    for root, count in SIZES.items():
        if bank.store.items.namespaces((root,), START):
            continue
        for number, items in enumerate(make_items(root, count)):
            vectors = random_unit_vectors(len(items), number)
            matrices = [vector[None] for vector in vectors]
            bank.store.items.write(items, matrices, [], START)


def time_once(call: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def measure(store: MemoryBankStore, prefix: tuple[str, ...]) -> dict[str, float]:
    """Return the milliseconds of each kind of search under a prefix."""
    questions = make_questions(CALLS)
    before = resident_mb()
    results = {"first": time_once(lambda: store.search(prefix, query="first"))}
    results["first_mb"] = resident_mb() - before
    results["query"] = median_ms([lambda q=q: store.search(prefix, query=q) for q in questions])
    for name, field in (("1 in 10", "topic"), ("1 item", "number")):
        results[f"first query and filter, {name}"] = time_once(
            lambda field=field: store.search(prefix, query="first", filter={field: 3})
        )
        searches = [
            lambda q=q, value=value, field=field: store.search(
                prefix, query=q, filter={field: value}
            )
            for value, q in zip(cycle(range(10)), questions, strict=False)
        ]
        results[f"query and filter, {name}"] = median_ms(searches)
        results[f"query and filter, {name}, later"] = median_ms(searches)
    results["filter, 1 in 10"] = median_ms(
        [lambda: store.search(prefix, filter={"topic": 3})] * CALLS
    )
    results["last updated"] = median_ms([lambda: store.search(prefix)] * CALLS)

    def write_and_search(query: str) -> None:
        store.put((*(prefix or ("small",)), "new"), "note", {"text": query}, index=["text"])
        store.search(prefix, query=query)

    results["put and query"] = median_ms([lambda q=q: write_and_search(q) for q in questions])
    results["put"] = median_ms(
        [lambda q=q: store.put(("small", "new"), "note", {"text": q}) for q in questions]
    )
    return {name: round(value, 2) for name, value in results.items()}


def main() -> None:
    """Print the milliseconds of searches under prefixes of each size, and in all namespaces."""
    with tempfile.TemporaryDirectory() as folder:
        location = sys.argv[1] if sys.argv[1:] else str(Path(folder) / "bank.db")
        with MemoryBank.open(location, embedder=FreeEmbedder()) as bank:
            start = time.perf_counter()
            fill(bank)
            seconds = round(time.perf_counter() - start, 1)
        prefixes = {f"{count} items": (root,) for root, count in SIZES.items()}
        results: dict[str, Any] = {"filled_s": seconds}
        for name, prefix in {**prefixes, "all": ()}.items():
            with MemoryBank.open(location, embedder=FreeEmbedder()) as bank:
                results[name] = measure(MemoryBankStore(bank), prefix)
    place = without_password(location) if sys.argv[1:] else "a file"
    print(json.dumps({"machine": describe_machine(), "at": place, **results}, indent=2))


if __name__ == "__main__":
    main()
