"""Format "everyday": one person's turns with an assistant, and questions in categories.

A file is `{name, timezone, now, turns: [{id, at, session, query, response}], questions: [{category,
q, evidence, alternatives, outdated}]}`. Times carry their offset; `now` is the time of the
questions. A question without evidence and alternatives asks for what was not said.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from memorybank_core.evaluation.questions import Conversation, Question
from memorybank_core.record_values import require_aware
from memorybank_core.records import Turn


def parse_everyday(name: str, data: Mapping[str, Any]) -> Conversation:
    """Return the conversation of a file.

    Args:
        name: Id of the user.
        data: The JSON of the file.

    Raises:
        KeyError, TypeError, ValueError: If the data have another format.
    """
    turns = [
        Turn(
            turn["query"],
            turn.get("response") or "",
            at=datetime.fromisoformat(turn["at"]),
            id=turn["id"],
            session=turn.get("session"),
        )
        for turn in data["turns"]
    ]
    known = {turn.id for turn in turns}
    return Conversation(
        name,
        turns,
        [_parse_question(question, known) for question in data["questions"]],
        now=require_aware(datetime.fromisoformat(data["now"]), "now"),
        timezone=ZoneInfo(data.get("timezone") or "UTC").key,
    )


def _parse_question(data: Mapping[str, Any], known: set[str | None]) -> Question:
    """Return a question; raise ValueError if it names a turn that does not exist."""
    evidence, alternatives, outdated = (
        tuple(data.get(name) or ()) for name in ("evidence", "alternatives", "outdated")
    )
    if unknown := {*evidence, *alternatives, *outdated} - known:
        raise ValueError(f"question {data['q']!r} names unknown turns: {sorted(unknown)}")
    return Question(data["q"], evidence, alternatives, True, data.get("category"), outdated)
