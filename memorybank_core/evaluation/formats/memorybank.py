"""Format "memorybank": the memory JSON of the MemoryBank paper, and its probing questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta, timezone
from typing import Any

from memorybank_core.evaluation.questions import Conversation, Question
from memorybank_core.records import Turn

_MORNING = time(9, tzinfo=timezone.utc)


def parse_memorybank(data: Mapping[str, Any], gold: Mapping[str, Any]) -> Iterator[Conversation]:
    """Yield the conversations of a file.

    Args:
        data: The memory JSON, by user.
        gold: The questions with their evidence, by user.

    Raises:
        KeyError, TypeError, AttributeError, ValueError: If the data have another format.
    """
    questions_of = {user.strip(): questions for user, questions in gold.items()}
    for user, record in data.items():
        if not user.strip():  # the entry of the bank, not of a user, in our exports
            continue
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
