"""Format "locomo": conversations of LoCoMo (Maharana et al. 2024), one memory per utterance."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from memorybank_core.evaluation.questions import Conversation, Question
from memorybank_core.records import Turn

_CATEGORIES = range(1, 5)  # category 5 is adversarial: its questions have no answer


def parse_locomo(name: str, data: Mapping[str, Any]) -> Conversation:
    """Return the conversation of a file.

    Args:
        name: Id of the user.
        data: The JSON of the file.

    Raises:
        KeyError, TypeError, ValueError: If the data have another format.
    """
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
