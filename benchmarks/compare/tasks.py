"""What a worker does with a system: ask questions, look for what was lost, measure costs.

Each task takes the system's module, an embedder, the task's JSON and the time at which the process
started, and returns JSON.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

from compare.embedding import TimedEmbedder
from compare.protocol import Hit, System, Turn
from compare.synthetic import CANARY, make_questions, make_turns

Json = dict[str, Any]
DEPTH = 20
"""Results of a search that count: recall needs ten, the order of old and new statements more."""
PROMPT_DEPTH = 100
"""Results of which a prompt is made."""
BUDGETS = (500, 1500)
"""Tokens of a prompt."""
NOW = datetime(2025, 6, 1, tzinfo=timezone.utc)


def read_turns(rows: Iterable[Sequence[str]]) -> list[Turn]:
    """Return the turns of a conversation."""
    return [Turn(row[0], datetime.fromisoformat(row[1]), *row[2:]) for row in rows]


class Finder:
    """Finds which turn a result is, by its id or else by its text."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._ids = {turn.id for turn in turns}
        self._turns = turns
        self._known: dict[str, str | None] = {}

    def find(self, hits: Iterable[Hit]) -> list[tuple[str, str, float | None]]:
        """Return (id, text, score) of each result that is a turn, each turn once."""
        found: dict[str, tuple[str, str, float | None]] = {}
        for hit in hits:
            id = hit.id if hit.id in self._ids else self._by_text(hit.text)
            if id is not None and id not in found:
                found[id] = (id, hit.text, hit.score)
        return list(found.values())

    def _by_text(self, text: str) -> str | None:
        if text not in self._known:
            fits = (t.id for t in self._turns if t.query in text and t.response in text)
            self._known[text] = next(fits, None)
        return self._known[text]


def answer_questions(
    module: ModuleType, embedder: TimedEmbedder, task: Json, started: float
) -> Json:
    """Ask every question; return ids and scores of the results, and the texts of a prompt."""
    answers: list[list[Json]] = []
    system = module.open(Path(task["folder"]), embedder)
    for number, conversation in enumerate(task["conversations"]):
        user = f"user-{number}"  # some systems take only ASCII
        turns, done = read_turns(conversation["turns"]), 0
        finder, found = Finder(turns), []
        for question in conversation["questions"]:
            until = question.get("after", len(turns))
            if until > done:
                system.add(turns[done:until], user)
                done = until
            now = turns[until - 1].at if "after" in question else _at(conversation["now"])
            found.append(_ask(system, finder, question["text"], user, now))
        answers.append(found)
    system.close()
    return {"answers": answers}


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _ask(system: System, finder: Finder, query: str, user: str, now: datetime) -> Json:
    hits = finder.find(system.search(query, user, DEPTH, now))
    prompt = getattr(system, "prompt", None)
    if prompt is not None:  # the system fills a budget itself
        return {
            "ids": [hit[0] for hit in hits],
            "score": hits[0][2] if hits else None,
            "prompts": {str(n): prompt(query, user, n, now) for n in BUDGETS},
        }
    more = finder.find(system.search(query, user, PROMPT_DEPTH, now))
    return {
        "ids": [hit[0] for hit in hits],
        "score": hits[0][2] if hits else None,
        "texts": [hit[:2] for hit in more],
    }


def write(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Add turns one by one and note each in a file when it counts as written, until killed."""
    system = module.open(Path(task["folder"]), embedder)
    with Path(task["acknowledged"]).open("w") as file:
        for turn in make_turns(task["count"]):
            system.add([turn], "ada")
            file.write(turn.id + "\n")
            file.flush()
    if not task.get("stay_open"):
        system.close()
    else:
        time.sleep(3600)  # until the runner kills this process
    return {}


def find(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Open what another process left, and return how many turns are found by their own text."""
    system = module.open(Path(task["folder"]), embedder)
    found = count_found(system, make_turns(task["count"])[: task["expected"]], "ada")
    system.close()
    return {"found": found}


def count_found(system: System, turns: Sequence[Turn], user: str) -> int:
    """Return how many turns are among the ten best results for their own text."""
    finder = Finder(turns)
    return sum(
        turn.id in {hit[0] for hit in finder.find(system.search(turn.text, user, 10, NOW))}
        for turn in turns
    )


def delete(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Delete a turn and look for its text in results and files; look for another user's."""
    folder = Path(task["folder"])
    system, turns = module.open(folder, embedder), make_turns(60)
    secret = turns[30]._replace(query=f"My password is {CANARY} and nobody may know it.")
    turns[30] = secret
    system.add(turns, "ada")
    at_once = count_found(system, turns, "ada")
    other = turns[7]._replace(id="other", query="The other user's canary sings quixotically.")
    system.add([other], "bob")
    stolen = [hit.text for hit in system.search(other.query, "ada", 10, NOW)]
    result = {
        "found at once": at_once,
        "another user's text found": any("quixotically" in text for text in stolen),
    }
    try:
        system.delete([secret], "ada")
    except NotImplementedError:
        system.close()
        return {**result, "deleted": None}
    hits = system.search(secret.query, "ada", 10, NOW)
    result |= {
        "deleted": True,
        "in results": any(CANARY in hit.text for hit in hits),
        "kept others": count_found(system, turns[:30] + turns[31:], "ada"),
        "in files": _files_with(folder, CANARY),
    }
    system.close()
    return {**result, "in files after closing": _files_with(folder, CANARY)}


def _files_with(folder: Path, text: str) -> list[str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return [str(file.relative_to(folder)) for file in files if text.encode() in file.read_bytes()]


def crowd(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Ask for ten turns of one user next to many of another, about the same things."""
    system = module.open(Path(task["folder"]), embedder)
    many, few = make_turns(task["count"]), make_turns(10, seed=77, prefix="few")
    count = _add_until(system, many, "crowd", task["seconds"])
    system.add(few, "ada")
    finder = Finder(few)
    ids = [{hit[0] for hit in finder.find(system.search(t.text, "ada", 10, NOW))} for t in few]
    found = sum(turn.id in best for turn, best in zip(few, ids, strict=True))
    result = {"crowd": count, "found": found}
    hits = [hit for t in few for hit in system.search(t.text, "ada", 10, NOW)]
    result["of the other user"] = sum(not finder.find([hit]) for hit in hits)
    system.close()
    return result


def _add_until(system: System, turns: list[Turn], user: str, seconds: float) -> int:
    """Add turns in batches of a hundred until the time is up; return how many were added."""
    end = time.perf_counter() + seconds
    for start in range(0, len(turns), 100):
        system.add(turns[start : start + 100], user)
        if time.perf_counter() > end:
            return start + 100
    return len(turns)


def costs(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Fill a system, then measure single calls; times are without those of the embedder."""
    folder = Path(task["folder"])
    system, turns = module.open(folder, embedder), make_turns(task["count"] + 40)
    start, embedding = time.perf_counter(), embedder.seconds
    count = _add_until(system, turns[: task["count"]], "ada", task["seconds"])
    bulk = time.perf_counter() - start - (embedder.seconds - embedding)
    questions = make_questions(40)
    adds = [lambda turn=turn: system.add([turn], "ada") for turn in turns[task["count"] :]]
    searches = [lambda q=q: system.search(q, "ada", 5, NOW) for q in questions]
    search, search_texts = _median_ms(searches, embedder)
    add, add_texts = _median_ms(adds, embedder)
    memory = resident_mb()
    system.close()
    return {
        "written": count,
        "bulk seconds": bulk,
        "add ms": add,
        "search ms": search,
        "texts embedded by an add": add_texts,
        "texts embedded by a search": search_texts,
        "resident MB": memory,
        "disk MB": disk_mb(folder),
    }


def cold(module: ModuleType, embedder: TimedEmbedder, task: Json, started: float) -> Json:
    """Return the seconds from the start of the process to the first result."""
    system = module.open(Path(task["folder"]), embedder)
    system.search(make_questions(1)[0], "ada", 5, NOW)
    seconds = time.perf_counter() - started - embedder.seconds
    system.close()
    return {"cold start seconds": seconds}


def _median_ms(calls: list[Callable[[], object]], embedder: TimedEmbedder) -> tuple[float, float]:
    """Return the median time of a call without embedding, and the texts that a call embedded."""
    for call in calls[:3]:
        call()
    times, texts = [], embedder.texts
    for call in calls[3:]:
        start, embedding = time.perf_counter(), embedder.seconds
        call()
        times.append(time.perf_counter() - start - (embedder.seconds - embedding))
    return statistics.median(times) * 1000, (embedder.texts - texts) / len(times)


def resident_mb() -> float:
    """Return the resident memory of this process and of those that it started, in MiB."""
    lines = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [tuple(int(number) for number in line.split()) for line in lines]
    family = {os.getpid()}
    for _ in rows:
        family |= {pid for pid, parent, _ in rows if parent in family}
    return sum(rss for pid, _, rss in rows if pid in family) / 1024


def disk_mb(folder: Path) -> float:
    """Return the size of the files of a folder in MiB."""
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file()) / 2**20


TASKS: dict[str, Callable[[ModuleType, TimedEmbedder, Json, float], Json]] = {
    "cold": cold,
    "costs": costs,
    "crowd": crowd,
    "delete": delete,
    "find": find,
    "recall": answer_questions,
    "write": write,
}
