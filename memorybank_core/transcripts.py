"""Export of conversations as text: JSON lines for programs, Markdown by day for people.

Both have what was said, archived memories included. Strengths, recalls and pins are only in the
export as JSON (`json_format.export_json`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from itertools import groupby
from os import PathLike
from pathlib import Path
from typing import Any

from .bank import MemoryBank
from .json_format.fields import select_users
from .record_values import plain_value
from .records import Memory

__all__ = ["is_jsonl", "is_markdown", "iterate_jsonl", "iterate_markdown"]

_MARK = "<!-- memorybank -->"
"""First line of the Markdown, by which an earlier export is recognized."""
_STRINGS = {
    "en": {
        "title": "Memories of {user}",
        "portrait": "Portrait",
        "summary": "Summary",
        "user": "User",
        "companion": "Companion",
        "archived": " (forgotten)",
    },
    "zh": {
        "title": "{user} 的记忆",
        "portrait": "画像",
        "summary": "总结",
        "user": "用户",
        "companion": "同伴",
        "archived": "（已遗忘）",
    },
}


def iterate_jsonl(
    bank: MemoryBank,
    *,
    users: Collection[str] | None = None,
    where: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """Yield a line of JSON for each message: role, content, time, and the turn it belongs to.

    `MemoryBank.import_from` returns the same turns, with their ids, sessions, names and metadata.

    Args:
        bank: The bank; times are written in its time zone.
        users: Ids of the users; None for all.
        where: Conditions on the metadata of turns, as in `MemoryBank.search`.

    Raises:
        InvalidInputError: If one of `users` is not in the bank, or `where` is not valid.
    """
    for user_id in select_users(bank.users(), users):
        for memory in bank.timeline(user_id=user_id, kind="turn", archived=True, where=where):
            for entry in _entries(memory, bank):
                yield json.dumps({"user_id": user_id, **entry}, ensure_ascii=False) + "\n"


def iterate_markdown(
    bank: MemoryBank,
    *,
    users: Collection[str] | None = None,
    where: Mapping[str, Any] | None = None,
    language: str | None = None,
) -> Iterator[str]:
    """Yield Markdown: for each user the portrait and the summary, then the turns of each day.

    Args:
        bank: The bank; days and times are in its time zone.
        users: Ids of the users; None for all.
        where: Conditions on the metadata of turns. Only the turns that satisfy them are exported,
            without summaries and portraits, which are made from all.
        language: "en" or "zh", the language of headings; default the bank's.

    Raises:
        InvalidInputError: If an argument is not valid.
    """
    strings = _STRINGS[language or bank.language]
    yield f"{_MARK}\n"
    for user_id in select_users(bank.users(), users):
        yield f"\n# {strings['title'].format(user=_one_line(user_id))}\n"
        if not where:
            digests = bank.portrait(user_id=user_id), bank.summary(user_id=user_id)
            for name, digest in zip(("portrait", "summary"), digests, strict=True):
                yield f"\n## {strings[name]}\n\n{_quote(digest.text)}" if digest else ""
        memories = bank.timeline(user_id=user_id, archived=True, where=where)
        for day, group in groupby(memories, key=lambda memory: bank.day_of(memory.created_at)):
            yield f"\n## {_day_label(day, strings is _STRINGS['zh'])}\n"
            for memory in sorted(group, key=lambda memory: memory.turn is not None):
                yield from _paragraphs(memory, bank, strings)


def is_jsonl(path: str | PathLike[str]) -> bool:
    """Return whether a file is empty or begins as `iterate_jsonl` begins."""
    line = _first_line(path)
    return not line or line.startswith('{"user_id": "')


def is_markdown(path: str | PathLike[str]) -> bool:
    """Return whether a file is empty or begins as `iterate_markdown` begins."""
    return _first_line(path) in ("", _MARK)


def _entries(memory: Memory, bank: MemoryBank) -> Iterator[dict[str, Any]]:
    """Yield the messages of a turn; its metadata are those of the first."""
    turn = memory.turn
    if turn is None:
        return
    shared: dict[str, Any] = {"session": turn.session, "turn": memory.id}
    shared["time"] = memory.created_at.astimezone(bank.timezone).isoformat()
    metadata = plain_value(turn.metadata) or None
    for role, content, name in (
        ("user", turn.query, turn.user_name),
        ("assistant", turn.response, turn.companion_name),
    ):
        if content:
            entry = {**shared, "role": role, "name": name, "content": content, "metadata": metadata}
            yield {key: value for key, value in entry.items() if value is not None}
            metadata = None


def _paragraphs(memory: Memory, bank: MemoryBank, strings: Mapping[str, str]) -> Iterator[str]:
    """Yield the messages of a turn, or a summary, each under the name of its speaker."""
    turn = memory.turn
    if turn is None:
        yield f"\n**{strings['summary']}**\n\n{_quote(memory.text)}"
        return
    time = f"{memory.created_at.astimezone(bank.timezone):%H:%M} "
    for name, content in (
        (turn.user_name or strings["user"], turn.query),
        (turn.companion_name or strings["companion"], turn.response),
    ):
        if content:
            archived = strings["archived"] if memory.archived_at and time else ""
            yield f"\n**{time}{_one_line(name)}**{archived}\n\n{_quote(content)}"
            time = ""


def _quote(text: str) -> str:
    """Return a text as a quotation, so that signs of Markdown in it stay in it."""
    return "".join(f"> {line}".rstrip() + "\n" for line in text.strip().splitlines())


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _day_label(day: date, is_chinese: bool) -> str:
    """Return a day with its weekday: "Saturday, 4 May 2024", 2024年5月4日 星期六."""
    if is_chinese:
        return f"{day.year}年{day.month}月{day.day}日 星期{'一二三四五六日'[day.weekday()]}"
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def _first_line(path: str | PathLike[str]) -> str:
    with Path(path).open(encoding="utf-8", errors="replace") as file:
        return file.readline(1_000).strip()
