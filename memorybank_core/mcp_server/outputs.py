"""Structured output of the tools: plain JSON with a schema."""

from __future__ import annotations

import json
from types import GenericAlias
from typing import Any, get_args

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field, create_model

from memorybank_core.records import Memory, SearchResult

from .texts import OUTPUT_WORDING


class Remembered(BaseModel):
    """Outcome of `remember`."""

    id: str | None


class StoredMemory(BaseModel):
    """One memory."""

    id: str
    day: str
    lines: list[str]
    pinned: bool = False


class RecalledMemory(StoredMemory):
    """One memory that fits a query."""

    relevance: float
    why: str
    superseded_by: str | None = None


class Recall(BaseModel):
    """Outcome of `recall`."""

    memories: list[RecalledMemory]


class Recent(BaseModel):
    """Outcome of `recent`."""

    memories: list[StoredMemory]


class Known(BaseModel):
    """Outcome of `portrait`."""

    portrait: str | None
    summary: str | None


class Changed(BaseModel):
    """Outcome of a change."""

    id: str
    changed: bool


def describe_output(model: type[BaseModel], language: str) -> type[BaseModel]:
    """Return a copy of an output with the descriptions of a language for the schema of a tool."""
    wording = OUTPUT_WORDING[language]
    name, fields = model.__name__, dict[str, Any]()
    for key, field in model.model_fields.items():
        annotation: Any = field.annotation
        for item in get_args(annotation):
            if isinstance(item, type) and issubclass(item, BaseModel):
                annotation = GenericAlias(list, (describe_output(item, language),))
        description = wording.get(f"{name}.{key}", wording.get(key))
        fields[key] = annotation, Field(default=field.default, description=description)
    return create_model(name, __doc__=wording[name], **fields)


def to_stored(memory: Memory, line: str) -> StoredMemory:
    """Return a memory as structured output, with the texts of its line of JSON."""
    return StoredMemory(**_read_line(memory, line))


def to_recalled(result: SearchResult, line: str, language: str) -> RecalledMemory:
    """Return a search result as structured output, with the texts of its line of JSON."""
    newer = result.superseded_by
    return RecalledMemory(
        **_read_line(result.memory, line),
        relevance=round(result.relevance, 3),
        why=result.why(language),
        superseded_by=newer.id if newer else None,
    )


def to_result(text: str, output: BaseModel) -> CallToolResult:
    """Return a result with a text for the model, and structured output for programs."""
    content = [TextContent(type="text", text=text)]
    return CallToolResult(content=list(content), structuredContent=output.model_dump())


def _read_line(memory: Memory, line: str) -> dict[str, Any]:
    """Return the fields of `StoredMemory`; a line may have shortened texts."""
    fields = json.loads(line)
    return {
        "id": fields["id"],
        "day": fields["day"],
        "lines": fields["said"],
        "pinned": memory.pinned,
    }
