"""Functions that the LangChain and LlamaIndex adapters share."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from .record_values import plain_value
from .records import SearchResult

_MEMORY_FIELDS = ("day", "created_at", "kind", "session", "strength", "recalls")
_RESULT_FIELDS = (
    "score", "cosine", "retention", "relevance", "parts", "superseded_by", "times", "last_said",
)  # fmt: skip


def result_metadata(result: SearchResult) -> dict[str, Any]:
    """Return the metadata of a retrieved document or node as plain JSON values.

    The metadata of the turn are under "metadata", so that no key of theirs hides one of these.
    """
    plain = result.to_dict()
    metadata = {name: plain["memory"][name] for name in _MEMORY_FIELDS}
    metadata["metadata"] = plain_value(result.memory.metadata)
    return metadata | {name: plain[name] for name in _RESULT_FIELDS}


def recall_id(session: str | None, last_turn: str | None, query: str) -> str:
    """Return the id of the turn in which `query` follows the stored turn `last_turn`.

    The id stays the same until the next turn is stored, so that repeated recalls count once.
    """
    position = json.dumps([session, last_turn, query])
    return hashlib.sha256(position.encode()).hexdigest()[:32]
