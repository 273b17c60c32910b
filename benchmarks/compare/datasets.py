"""The data: conversations in one form that a worker can read without MemoryBank's packages.

Files are read by `memorybank_core.evaluation`; the folder has the layout that docs/comparison.md
describes. Files that are missing are left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from memorybank_core import Turn
from memorybank_core.evaluation.datasets import read_conversations
from memorybank_core.evaluation.questions import Conversation

DATASETS = ("everyday", "probing-en", "probing-zh", "locomo", "realmem")
USUAL = ("everyday", "probing-en", "probing-zh", "locomo")
QUICK = ("everyday", "probing-en", "probing-zh")
LONG = ("locomo", "realmem")
"""Datasets that are asked with the first embedder only."""

ConversationData = dict[str, Any]
"""A conversation as JSON: `user`, `timezone`, `now`, `turns` and `questions`."""


def data_folder(path: str | None) -> Path:
    """Return the folder of the data: an argument, MEMORYBANK_DATA, or `shared/data` near here."""
    if path := path or os.environ.get("MEMORYBANK_DATA"):
        return Path(path)
    repository = Path(__file__).parents[2]
    near = (parent / "shared" / "data" for parent in (repository, *repository.parents))
    return next((folder for folder in near if folder.is_dir()), repository / "shared" / "data")


def read_dataset(folder: Path, dataset: str) -> list[ConversationData]:
    """Return the conversations of a dataset; none if its files are not there."""
    if dataset == "everyday":
        files = [folder / "everyday" / f"{name}.json" for name in ("maya", "tomas")]
        return _read("everyday", [file for file in files if file.exists()], None)
    if dataset == "locomo":
        return _read("locomo", sorted((folder / "locomo").glob("*.json")), None)
    if dataset == "realmem":
        return [_realmem(file) for file in sorted((folder / "realmem").glob("*.json"))]
    language = dataset.removeprefix("probing-")
    bank = folder / "memorybank" / f"memory_bank_{language}.json"
    gold = folder / "memorybank" / f"probing_gold_{language}.json"
    return _read("memorybank", [bank], gold) if bank.exists() and gold.exists() else []


def _read(format: Any, files: list[Path], gold: Path | None) -> list[ConversationData]:
    return [_to_data(c) for file in files for c in read_conversations(format, file, gold)]


def _to_data(conversation: Conversation) -> ConversationData:
    return {
        "user": conversation.user_id,
        "timezone": conversation.timezone,
        "now": conversation.asked_at.isoformat(),
        "turns": [_to_turn(turn) for turn in conversation.turns],
        "questions": [
            {
                "text": question.text,
                "category": question.category or "",
                "evidence": question.evidence,
                "alternatives": question.alternatives,
                "outdated": question.outdated,
                "is_capped": question.is_capped,
            }
            for question in conversation.questions
        ],
    }


def _to_turn(turn: Turn) -> tuple[str, ...]:
    if turn.at is None or turn.id is None:
        raise ValueError("a turn of the comparison needs a time and an id")
    speaker = turn.user_name or ""
    return (turn.id, turn.at.isoformat(), turn.session or "", turn.query, turn.response, speaker)


def _realmem(file: Path) -> ConversationData:
    """Read a persona of RealMem, whose questions are asked after so many turns."""
    data = json.loads(file.read_text(encoding="utf-8"))
    fields = ("id", "at", "session", "query", "response")
    return {
        "user": data["name"],
        "timezone": data["timezone"],
        "now": data["now"],
        "turns": [tuple(turn[name] for name in fields) for turn in data["turns"]],
        "questions": list(_realmem_questions(data)),
    }


def _realmem_questions(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for question in sorted(data["questions"], key=lambda question: question["after_turns"]):
        if question["after_turns"] and question["evidence"]:
            yield {
                "text": question["q"],
                "category": "",
                "evidence": question["evidence"],
                "alternatives": (),
                "outdated": (),
                "is_capped": False,
                "after": question["after_turns"],
            }
