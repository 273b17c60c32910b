"""Datasets of the evaluation: conversations, and questions with known evidence.

It reads two formats:

- "memorybank": the memory JSON of the MemoryBank paper with its probing questions and the turns
  that answer them ("day#index"). Recall@k of a question is 1 if an alternative is among the first
  k turns, else the number of evidence turns among them divided by min(evidence turns, k).
- "locomo": LoCoMo conversations (Maharana et al. 2024, arXiv 2402.17753), one memory per
  utterance. Recall@k is the share of the evidence turns that are among the first k. Only the
  questions of categories 1 to 4 count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from memorybank_core.errors import ConfigurationError, FormatError
from memorybank_core.records import Turn

Format = Literal["memorybank", "locomo"]
"""Name of a dataset's format."""

_MORNING = time(9, tzinfo=timezone.utc)
_CATEGORIES = range(1, 5)  # category 5 is adversarial: its questions have no answer


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the ids of the turns that answer it.

    Attributes:
        text: The question.
        evidence: Ids of turns that together answer it.
        alternatives: Ids of turns that each answer it alone.
        is_capped: Whether recall is a share of min(number of evidence turns, k) instead of a share
            of the number of evidence turns.
    """

    text: str
    evidence: tuple[str, ...]
    alternatives: tuple[str, ...] = ()
    is_capped: bool = False

    def recall(self, found: Sequence[str], k: int) -> float:
        """Return the recall of the first k of the turn ids `found`, best first."""
        first = set(found[:k])
        if first & set(self.alternatives):
            return 1.0
        total = len(self.evidence)
        return len(first & set(self.evidence)) / (min(total, k) if self.is_capped else total)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The turns of one user, and questions about them.

    Attributes:
        user_id: The user.
        turns: The turns, in the order of the file.
        questions: The questions.
    """

    user_id: str
    turns: list[Turn]
    questions: list[Question]

    @property
    def asked_at(self) -> datetime:
        """Time of the questions: one day after the last turn."""
        return max(turn.at for turn in self.turns if turn.at) + timedelta(days=1)


def read_conversations(format: Format, bank: Path, gold: Path | None) -> list[Conversation]:
    """Read the conversations of a file or, for LoCoMo, of a folder of files.

    Args:
        format: "memorybank" or "locomo".
        bank: The file or folder with the conversations.
        gold: The file with the questions, for the format "memorybank".

    Raises:
        ConfigurationError: If the format is unknown, or a gold file is missing.
        FormatError: If a file cannot be read, or has another format.
    """
    try:
        if format == "memorybank":
            if gold is None:
                raise ConfigurationError("the memorybank format needs the gold questions: --gold")
            return list(_parse_memorybank(_read_json(bank), _read_json(gold)))
        if format == "locomo":
            files = sorted(bank.glob("*.json")) if bank.is_dir() else [bank]
            return [_parse_locomo(file.stem, _read_json(file)) for file in files]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(f"{bank} is not in the {format} format: {error!r}") from error
    raise ConfigurationError(f"format must be memorybank or locomo, not {format!r}")


def _parse_memorybank(data: Mapping[str, Any], gold: Mapping[str, Any]) -> Iterator[Conversation]:
    questions_of = {user.strip(): questions for user, questions in gold.items()}
    for user, record in data.items():
        turns = [
            Turn(
                entry.get("query") or "",
                entry.get("response") or "",
                at=datetime.combine(datetime.fromisoformat(day), _MORNING) + timedelta(minutes=i),
                id=f"{day}#{i}",
            )
            for day, entries in record["history"].items()
            for i, entry in enumerate(entries)
            if entry.get("query") or entry.get("response")
        ]
        questions = [
            Question(q["q"], tuple(q["evidence"]), tuple(q.get("alternatives", ())), True)
            for q in questions_of.get(user.strip(), ())
            if q["evidence"]
        ]
        if turns:
            yield Conversation(user.strip(), turns, questions)


def _parse_locomo(name: str, data: Mapping[str, Any]) -> Conversation:
    talk = data.get("conversation", data)
    turns = []
    number = 1
    while f"session_{number}_date_time" in talk:
        date_time = talk[f"session_{number}_date_time"]
        start = datetime.strptime(f"{date_time} +0000", "%I:%M %p on %d %B, %Y %z")
        for i, utterance in enumerate(talk.get(f"session_{number}", ())):
            caption = f" [{utterance['blip_caption']}]" if utterance.get("blip_caption") else ""
            turns.append(
                Turn(
                    utterance["text"] + caption,
                    at=start + timedelta(seconds=30 * i),
                    id=utterance["dia_id"],
                    session=f"session_{number}",
                    user_name=utterance["speaker"],
                )
            )
        number += 1
    ids = {turn.id for turn in turns}
    questions = []
    for q in data["qa"]:
        evidence = tuple(dict.fromkeys(id for id in q.get("evidence", ()) if id in ids))
        if evidence and q["category"] in _CATEGORIES:
            questions.append(Question(q["question"], evidence))
    return Conversation(name, turns, questions)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is not JSON: {error}") from error
