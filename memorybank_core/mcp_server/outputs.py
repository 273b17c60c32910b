"""Structured output of the tools: plain JSON with a schema."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from memorybank_core.records import Memory, SearchResult
from memorybank_core.tools import describe_memory


class Remembered(BaseModel):
    """Outcome of `remember`."""

    id: str | None = Field(
        description="Id of the memory, the same for the same text on a day; null if there was no "
        "text to remember."
    )


class StoredMemory(BaseModel):
    """One memory."""

    id: str
    day: str = Field(description="Day in ISO 8601, in the time zone of the memory.")
    lines: list[str] = Field(description="What was said, each text with its speaker.")
    pinned: bool = Field(default=False, description="Whether it does not fade.")


class RecalledMemory(StoredMemory):
    """One memory that fits a query."""

    relevance: float = Field(description="How probably it is about the query, 0 to 1.")
    why: str = Field(description="The parts of its score.")
    superseded_by: str | None = Field(
        default=None, description="Id of a newer memory that says something else."
    )


class Recall(BaseModel):
    """Outcome of `recall`: the memories, best first."""

    memories: list[RecalledMemory]


class Recent(BaseModel):
    """Outcome of `recent`: the memories, oldest first."""

    memories: list[StoredMemory]


class Known(BaseModel):
    """Outcome of `portrait`: what is known of the user, in prose."""

    portrait: str | None = Field(description="Insights into the user; null before the first.")
    summary: str | None = Field(description="What happened so far; null before the first.")


class Changed(BaseModel):
    """Outcome of a change."""

    id: str
    changed: bool = Field(description="False if there is no such memory, or nothing to change.")


RememberedResult = Annotated[CallToolResult, Remembered]
RecallResult = Annotated[CallToolResult, Recall]
RecentResult = Annotated[CallToolResult, Recent]
KnownResult = Annotated[CallToolResult, Known]
ChangedResult = Annotated[CallToolResult, Changed]


def to_stored(memory: Memory, language: str) -> StoredMemory:
    """Return a memory as structured output; its text cannot close a block of memories."""
    return StoredMemory(**_describe(memory, language))


def to_recalled(result: SearchResult, language: str) -> RecalledMemory:
    """Return a search result as structured output."""
    newer = result.superseded_by
    return RecalledMemory(
        **_describe(result.memory, language),
        relevance=round(result.relevance, 3),
        why=result.why(language),
        superseded_by=newer.id if newer else None,
    )


def to_result(text: str, output: BaseModel) -> CallToolResult:
    """Return a result with a text for the model, and structured output for programs."""
    content = [TextContent(type="text", text=text)]
    return CallToolResult(content=list(content), structuredContent=output.model_dump())


def _describe(memory: Memory, language: str) -> dict[str, Any]:
    """Return the fields of `StoredMemory`."""
    fields = describe_memory(memory, language)
    return {
        "id": fields["id"],
        "day": fields["day"],
        "lines": fields["said"],
        "pinned": memory.pinned,
    }
