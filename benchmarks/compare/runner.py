"""Runs the systems: each task in a process of its own, with a time limit, and keeps raw results."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .datasets import ConversationData
from .environments import installed_mb, make_environment, python_of, version_of
from .measures import measure, summarize
from .synthetic import CANARY
from .vector_server import open_file

HERE = Path(__file__).parent
Json = dict[str, Any]


@dataclass(frozen=True)
class SystemInfo:
    """The constants of a system's module, read without importing it."""

    key: str
    constants: Json = field(hash=False)

    @classmethod
    def read(cls, path: Path) -> SystemInfo:
        """Read the constants of a module."""
        constants = {}
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                with contextlib.suppress(ValueError):
                    constants[node.targets[0].id] = ast.literal_eval(node.value)
        return cls(path.stem, constants)


@dataclass
class Runner:
    """Starts workers.

    Attributes:
        vectors: Folder of the cached vectors.
        address: Socket of the vector server.
        environments: Folder of the virtual environments.
        systems: Folder of the systems' modules.
        limit: Seconds after which a task is stopped.
        recall_limit: The same for the questions, whose vectors may have to be computed first.
    """

    vectors: Path
    address: str | None
    environments: Path
    systems: Path = HERE / "systems"
    limit: float = 600.0
    recall_limit: float = 1500.0
    _running: set[subprocess.Popen[bytes]] = field(default_factory=set)
    _is_stopped: bool = False

    def find_systems(self, names: Sequence[str] = ()) -> list[SystemInfo]:
        """Return the systems, all or those with these names."""
        paths = sorted(self.systems.glob("[!_]*.py"))
        if unknown := set(names) - {path.stem for path in paths}:
            raise SystemExit(f"no such system: {', '.join(sorted(unknown))}")
        return [SystemInfo.read(path) for path in paths if not names or path.stem in names]

    def run(self, system: SystemInfo, task: str, folder: Path, **options: Any) -> Json:
        """Run a task to its end; the result has "error" if it failed or took too long."""
        with tempfile.TemporaryDirectory() as exchange:
            result = Path(exchange, "result.json")
            process = self.start(system, task, folder, Path(exchange), **options)
            limit = self.recall_limit if task == "recall" else self.limit
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                return {"error": f"stopped after {limit:.0f} s"}
            finally:
                self.kill(process)
            if code or not result.exists():
                lines = Path(exchange, "log.txt").read_text(errors="replace").strip().splitlines()
                return {"error": lines[-1][:300] if lines else f"exit code {code}"}
            logs = Path(exchange, "log.txt").read_text(errors="replace")
            return {**json.loads(result.read_text(encoding="utf-8")), "in logs": CANARY in logs}

    def start(
        self, system: SystemInfo, task: str, folder: Path, exchange: Path, **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start a worker whose result, task and log are files of `exchange`."""
        request = {
            "system": system.key,
            "systems": str(self.systems),
            "task": task,
            "folder": str(folder),
            "vectors": str(self.vectors),
            "address": self.address,
            **options,
        }
        file = exchange / "task.json"
        file.write_text(json.dumps(request, ensure_ascii=False), encoding="utf-8")
        python = python_of(system.constants["ENVIRONMENT"], self.environments)
        command = [python, str(HERE / "worker.py"), str(file), str(exchange / "result.json")]
        if self._is_stopped:
            raise RuntimeError("the comparison was stopped")
        with (exchange / "log.txt").open("w") as log:
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self._variables(folder),
                start_new_session=True,
            )
        self._running.add(process)
        return process

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a worker and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._running.discard(process)

    def stop(self) -> None:
        """Kill all workers, and start no more."""
        self._is_stopped = True
        for process in tuple(self._running):
            self.kill(process)

    @staticmethod
    def _variables(folder: Path) -> dict[str, str]:
        """Return the variables of a worker: no network, no telemetry, its home in its folder."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        ours = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
        return {
            **kept,
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join([*ours, str(HERE.parents[1])]),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "ANONYMIZED_TELEMETRY": "False",
            "MEM0_TELEMETRY": "False",
            "MEM0_DIR": str(folder),
        }


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for a system, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="compare-"))
    try:
        yield folder
    finally:
        _stop_servers(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _stop_servers(folder: Path) -> None:
    """Stop the PostgreSQL servers that a killed system left with their files in a folder."""
    for file in folder.rglob("postmaster.pid"):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)


def measure_recall(
    runner: Runner, system: SystemInfo, embedder: str, conversations: list[ConversationData]
) -> Json:
    """Return the measures of every question of a dataset, in order, and their means."""
    start = time.perf_counter()
    with scratch() as folder:
        result = runner.run(
            system, "recall", folder, embedder=embedder, conversations=conversations
        )
    if "error" in result:
        return result
    measured = [
        measure(question, answer)
        for conversation, answers in zip(conversations, result["answers"], strict=True)
        for question, answer in zip(conversation["questions"], answers, strict=True)
    ]
    seconds = round(time.perf_counter() - start, 1)
    return {"seconds": seconds, "means": summarize(measured), "questions": measured}


def losses(runner: Runner, system: SystemInfo, *, count: int, crowd: int, seconds: float) -> Json:
    """Return what is lost: at a restart, a kill, a deletion, and next to a large user."""
    result: Json = {"written": count}
    with scratch() as folder:
        result["after restart"] = _write_and_find(runner, system, folder, count, kill=False)
    with scratch() as folder:
        result["after kill"] = _write_and_find(runner, system, folder, count, kill=True)
    with scratch() as folder:
        result["deletion"] = runner.run(system, "delete", folder, embedder="hashed-words")
    with scratch() as folder:
        options = {"embedder": "hashed-words", "count": crowd, "seconds": seconds}
        result["crowd"] = runner.run(system, "crowd", folder, **options)
    return result


def _write_and_find(
    runner: Runner, system: SystemInfo, folder: Path, count: int, *, kill: bool
) -> Json:
    """Write turns in one process, end or kill it, and look for them in another."""
    with tempfile.TemporaryDirectory() as exchange:
        acknowledged = Path(exchange, "acknowledged.txt")
        acknowledged.touch()
        options = {"embedder": "hashed-words", "count": count, "acknowledged": str(acknowledged)}
        process = runner.start(system, "write", folder, Path(exchange), stay_open=kill, **options)
        end = time.monotonic() + runner.limit
        until = count if not kill else count * 3 // 4
        while process.poll() is None and time.monotonic() < end:
            if kill and acknowledged.read_text().count("\n") >= until:
                break
            time.sleep(0.002)
        runner.kill(process)
        written = acknowledged.read_text().count("\n")
        if written < until:
            lines = Path(exchange, "log.txt").read_text(errors="replace").strip().splitlines()
            return {"error": lines[-1][:300] if lines else "stopped"}
    found = runner.run(
        system, "find", folder, embedder="hashed-words", count=count, expected=written
    )
    return {"acknowledged": written, **found}


def costs(runner: Runner, system: SystemInfo, count: int, seconds: float) -> Json:
    """Return times, memory and disk at a number of memories."""
    with scratch() as folder:
        options = {"embedder": "hashed-words", "count": count, "seconds": seconds}
        result = runner.run(system, "costs", folder, **options)
        if "error" not in result:
            result |= runner.run(system, "cold", folder, embedder="hashed-words")
    return result


def describe(runner: Runner, system: SystemInfo) -> Json:
    """Return what the tables show of a system besides its results."""
    environment = system.constants["ENVIRONMENT"]
    return {
        "name": system.constants["NAME"],
        "package": system.constants["PACKAGE"],
        "version": version_of(system.constants["PACKAGE"], environment, runner.environments),
        "setting": system.constants["SETTING"],
        "chooses embedder": system.constants["CHOOSES_EMBEDDER"],
        "installed MB": installed_mb(environment, runner.environments),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
    }


@contextlib.contextmanager
def vector_server(folder: Path, models: Sequence[str]) -> Iterator[str]:
    """Run the vector server; yields its socket."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in models:
        open_file(folder, model).close()
    with tempfile.TemporaryDirectory() as place:
        address = str(Path(place, "vectors.sock"))
        command = [sys.executable, "-m", "compare.vector_server", str(folder), address]
        process = subprocess.Popen(command, cwd=HERE.parent)
        try:
            while not Path(address).exists():
                if process.poll() is not None:
                    raise SystemExit("the vector server did not start")
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait()


def prepare(runner: Runner, system: SystemInfo) -> str | None:
    """Make the environment of a system; return an error message or None."""
    environment = system.constants["ENVIRONMENT"]
    return make_environment(environment, runner.environments) if environment else None
