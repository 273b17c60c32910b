"""Upgrade of the state of a memory that a version before 0.1.0 serialized."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any


def upgrade_memory(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a memory as the present version has them.

    A message without an answer becomes the open turn. After a reset, only later turns are part of
    the conversation.

    Args:
        data: The fields of a memory, of any version.
    """
    state = data.get("conversation")
    if not isinstance(state, dict) or "upcoming" not in state:
        return data
    turns = state.get("turns") or []
    new = {"opening": state.get("opening") or [], "turns": turns}
    if state.get("name") and not turns:
        new["since"] = datetime.now(timezone.utc)
    last = turns[-1] if turns else {}
    is_open = last.get("messages") and last.get("id") and last.get("at")
    if is_open and not last.get("response"):
        new["open_turn"] = {"pending": _to_pending(data, last)}
    return data | {"conversation": new}


def _to_pending(data: dict[str, Any], turn: dict[str, Any]) -> dict[str, Any]:
    """Return the values of `PendingTurn.to_dict` of a buffered turn."""
    return {
        "id": turn["id"],
        "user_id": data["user_id"],
        "session": data.get("session"),
        "query": turn.get("query", ""),
        "at": turn["at"],
        "reinforced": [],
        "metadata": turn.get("metadata") or data.get("metadata") or {},
        "is_stored": bool(turn.get("query", "").strip()),
        "is_identified": False,
        "remember": True,
    }
