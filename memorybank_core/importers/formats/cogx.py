"""COGX, the Cognee eXchange format: a folder or an archive (.cogx.tar.gz) with JSON lines.

Source: `cognee/modules/migration/cogx.py` of cognee 1.6, format version 0.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timezone
from typing import Any

from memorybank_core.errors import FormatError
from memorybank_core.importers.content import as_id, as_list, as_object, as_text
from memorybank_core.importers.conversations import (
    MAX_TEXT,
    NO_TEXT,
    TOO_LONG,
    ImportedTurn,
    Message,
    TurnBuilder,
    make_turn,
    present,
)
from memorybank_core.importers.omissions import Omissions
from memorybank_core.importers.sources import Source
from memorybank_core.importers.times import parse_time

NAME = "cogx"
MAJOR = 0
"""Newest major version of the format that is read."""

_TEXTS = {"memories": "content", "documents": "content", "memory_blocks": "value"}
_DERIVED = ("entities", "facts", "nodes")


def recognize(source: Source) -> bool:
    """Return whether the source is an archive of Cognee."""
    return bool(_read_version(source))


def read(source: Source, omissions: Omissions) -> Iterator[ImportedTurn]:
    """Yield the turns of the episodes, and memories, documents and memory blocks as turns.

    Raises:
        FormatError: If a newer version of Cognee wrote it.
    """
    version = _read_version(source)
    if version and version.partition(".")[0] != str(MAJOR):
        raise FormatError(f"{source.location} is COGX {version}; versions up to {MAJOR} are known")
    for name in source.choose(rf"(?:episodes|{'|'.join([*_TEXTS, *_DERIVED])})\.jsonl"):
        kind = name.rpartition("/")[2].removesuffix(".jsonl")
        for value in source.lines(name):
            data = as_object(value.data)
            if kind in _DERIVED:
                omissions.add(f"{kind} of the graph")
            elif not data:
                place = f"{name}, line {value.number}"
                omissions.add_fault("unreadable records", place, value.fault or "not an object")
            elif kind == "episodes":
                yield from _read_episode(data, omissions)
            else:
                yield from _read_text(data, _TEXTS[kind], omissions)


def _read_version(source: Source) -> str:
    for name in source.find(r"manifest\.json"):
        for value in source.first(name) if name else ():
            if value.keys == ("cogx_version",):
                return as_text(value.data)
    return ""


def _read_episode(data: Mapping[str, Any], omissions: Omissions) -> Iterator[ImportedTurn]:
    user, session, id = _scope(data)
    builder = TurnBuilder(
        omissions, session or id, _metadata(data), parse_time(data.get("created_at"), timezone.utc)
    )
    messages = (
        Message(
            "user" if (role := as_text(turn.get("role"))) == "episode" else role,
            as_text(turn.get("content")),
            parse_time(turn.get("occurred_at"), timezone.utc),
            f"{id}:{number}",
        )
        for number, turn in enumerate(map(as_object, as_list(data.get("turns"))), 1)
    )
    for turn in builder.to_turns(messages):
        yield ImportedTurn(turn, user, (user or "", session or ""), is_current=True)


def _read_text(data: Mapping[str, Any], key: str, omissions: Omissions) -> Iterator[ImportedTurn]:
    user, session, id = _scope(data)
    text = as_text(data.get(key))
    if not text or len(text) > MAX_TEXT:
        omissions.add(TOO_LONG if text else NO_TEXT)
        return
    at = parse_time(data.get("updated_at") or data.get("created_at"), timezone.utc)
    metadata = _metadata(data)
    turn = make_turn(omissions, query=text, at=at, id=id, session=session, metadata=metadata)
    if turn is not None:
        yield ImportedTurn(turn, user, (user or "", session or ""), is_current=True)


def _scope(data: Mapping[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Return user, session and id of a record."""
    scope, own = as_object(data.get("scope")), as_id(data.get("external_id"))
    session = as_id(scope.get("session_id")) or as_id(scope.get("run_id"))
    system = as_text(data.get("external_system")) or "unknown"
    return as_id(scope.get("user_id")), session, f"{NAME}:{system}:{own}" if own else None


def _metadata(data: Mapping[str, Any]) -> dict[str, Any]:
    label = as_text(data.get("title")) or as_text(data.get("label"))
    return present({"source": as_text(data.get("external_system")) or NAME, "title": label[:200]})
