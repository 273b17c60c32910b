"""Runs one task with one system, in the system's environment: `worker.py TASK.json RESULT.json`.

It imports nothing but the standard library, numpy and the system's own packages.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

STARTED = time.perf_counter()
HERE = Path(__file__).resolve().parent
if __name__ == "__main__":  # modules of this folder must not hide the packages of the environment
    sys.path = [path for path in sys.path if Path(path or ".").resolve() != HERE]
    sys.path.append(str(HERE.parent))

from compare.embedding import CachedVectors, HashedWords, TimedEmbedder  # noqa: E402
from compare.tasks import TASKS  # noqa: E402


def load_system(name: str, folder: Path = HERE / "systems") -> ModuleType:
    """Import the module of a system."""
    spec = importlib.util.spec_from_file_location(f"system_{name}", folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no system {name} in {folder}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_embedder(task: dict[str, Any]) -> TimedEmbedder:
    """Return the embedder that a task names."""
    if task["embedder"] == "hashed-words":
        return HashedWords()
    path = Path(task["vectors"]) / f"{task['embedder']}.db"
    return CachedVectors(
        task["embedder"], path, task.get("address"), use_cache=task.get("use_cache", True)
    )


def main() -> None:
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    module = load_system(task["system"], Path(task.get("systems", HERE / "systems")))
    embedder = make_embedder(task)
    result = TASKS[task["task"]](module, embedder, task, STARTED)
    Path(sys.argv[2]).write_text(json.dumps(result, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
