"""Metadata of a search result, as the LangChain and LlamaIndex adapters return it."""

from __future__ import annotations

from typing import Any

from .record_values import plain_value
from .records import SearchResult

_MEMORY_FIELDS = ("day", "created_at", "kind", "session", "strength", "recalls")
_RESULT_FIELDS = (
    "score", "cosine", "retention", "relevance", "parts", "superseded_by", "times", "last_said",
)  # fmt: skip


def result_metadata(result: SearchResult) -> dict[str, Any]:
    """Return the metadata of a retrieved document or node as plain JSON values.

    The metadata of the turn is under "metadata", so that none of its keys hides one of these.
    """
    plain = result.to_dict()
    metadata = {name: plain["memory"][name] for name in _MEMORY_FIELDS}
    metadata["metadata"] = plain_value(result.memory.metadata)
    return metadata | {name: plain[name] for name in _RESULT_FIELDS}
