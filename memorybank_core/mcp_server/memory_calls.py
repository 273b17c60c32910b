"""MemoryCalls: the tools of the server for one user, without the protocol."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import date

from mcp.types import CallToolResult

from memorybank_core.bank import MemoryBank
from memorybank_core.context import compose, token_counter
from memorybank_core.context.markers import without_markers
from memorybank_core.errors import InvalidInputError
from memorybank_core.records import Memory
from memorybank_core.tool_lines import fit_lines, to_block
from memorybank_core.tools import MemoryTools

from .outputs import (
    Changed,
    Known,
    Recall,
    Recent,
    Remembered,
    to_recalled,
    to_result,
    to_stored,
)
from .texts import WORDING

MAX_MEMORIES = 50
"""Maximum number of memories that one call returns."""
MAX_TOKENS = 4000
"""Maximum length of the memories that one call returns."""
MAX_QUESTION_TOKENS = 500
"""Maximum length of the memory in the question whether to erase it."""


class MemoryCalls:
    """Calls of a bank for one user, each with a result of the protocol. They block.

    Args:
        bank: The bank.
        user_id: The user.
    """

    def __init__(self, bank: MemoryBank, user_id: str) -> None:
        self._bank, self._user_id, self._language = bank, user_id, bank.language
        self._wording = WORDING[bank.language]

    def remember(self, text: str) -> CallToolResult:
        """Store a text as a message of the user."""
        reply = MemoryTools(self._bank).remember(text, user_id=self._user_id)
        return to_result(reply.text, Remembered(id=reply.ids[0] if reply.ids else None))

    def recall(self, query: str, k: int) -> CallToolResult:
        """Return the memories for a query, and strengthen the best."""
        tools = MemoryTools(self._bank, k=k, max_tokens=MAX_TOKENS)
        reply = tools.recall(query, user_id=self._user_id)
        pairs = zip(reply.results, reply.lines, strict=True)
        memories = [to_recalled(result, line, self._language) for result, line in pairs]
        return to_result(reply.text, Recall(memories=memories))

    def recent(self, k: int) -> CallToolResult:
        """Return the newest memories, as many as fit."""
        memories = self._bank.timeline(user_id=self._user_id, kind="turn", last=k)
        lines = self._fit_latest(memories, MAX_TOKENS)
        latest = memories[len(memories) - len(lines) :]
        pairs = zip(latest, lines, strict=True)
        stored = [to_stored(memory, line) for memory, line in pairs]
        return to_result(self._render(memories, lines), Recent(memories=stored))

    def portrait(self) -> CallToolResult:
        """Return the overall portrait and summary."""
        portrait, summary = self._read("portrait"), self._read("summary")
        text = self._render_digests(portrait=portrait, summary=summary)
        return to_result(text, Known(portrait=portrait, summary=summary))

    def forget(self, id: str) -> CallToolResult:
        """Archive a memory."""
        return self._change(id, self._bank.archive([id], user_id=self._user_id), "forgotten")

    def restore(self, id: str) -> CallToolResult:
        """Restore an archived memory."""
        return self._change(id, self._bank.restore([id], user_id=self._user_id), "restored")

    def pin(self, id: str, *, pinned: bool) -> CallToolResult:
        """Pin or unpin a memory."""
        if pinned:
            return self._change(id, self._bank.pin([id], user_id=self._user_id), "pinned")
        return self._change(id, self._bank.unpin([id], user_id=self._user_id), "unpinned")

    def erase(self, id: str) -> CallToolResult:
        """Erase a memory permanently."""
        receipt = self._bank.delete(user_id=self._user_id, ids=[id])
        return self._change(id, receipt.memories, "erased")

    def decline(self, id: str) -> CallToolResult:
        """Return that the user did not agree to an erasure."""
        return to_result(self._wording["erase_declined"], Changed(id=id, changed=False))

    def ask(self, id: str) -> str | None:
        """Return the question whether to erase a memory; None if there is no such memory."""
        memory = self._find(id)
        if memory is None:
            return None
        lines = self._fit_latest([memory], MAX_QUESTION_TOKENS)
        text = "\n".join(text for line in lines for text in to_stored(memory, line).lines)
        return self._wording["erase_question"].format(text=text)

    def days(self) -> str:
        """Return the number of memories of each day, as JSON."""
        memories = self._bank.timeline(user_id=self._user_id, kind="turn")
        return json.dumps(Counter(memory.day.isoformat() for memory in memories))

    def day(self, day: str) -> str:
        """Return what was said on a day (ISO 8601); of a long day, what was said last.

        Raises:
            InvalidInputError: If it is not a day.
        """
        try:
            chosen = date.fromisoformat(day)
        except ValueError:
            raise InvalidInputError(f"{day!r} is not a day; write 2026-03-09") from None
        memories = self._bank.timeline(
            user_id=self._user_id, since=chosen, until=chosen, kind="turn"
        )
        return self._render(memories, self._fit_latest(memories, MAX_TOKENS))

    def digest(self, kind: str) -> str:
        """Return the overall portrait or summary as a marked block."""
        return self._render_digests(**{kind: self._read(kind)})

    def _read(self, kind: str) -> str | None:
        """Return the text of the overall portrait or summary; None without one."""
        read = self._bank.portrait if kind == "portrait" else self._bank.summary
        digest = read(user_id=self._user_id)
        return without_markers(digest.text) if digest else None

    def _find(self, id: str) -> Memory | None:
        return self._bank.get([id], user_id=self._user_id).get(id)

    def _change(self, id: str, count: int, done: str) -> CallToolResult:
        """Return the result of a change: that it was made, that it was not needed, or no memory."""
        if not count:
            done = "unchanged" if self._find(id) else "no_such"
        text = self._wording[done].format(id=without_markers(id))
        return to_result(text, Changed(id=id, changed=bool(count)))

    def _fit_latest(self, memories: Sequence[Memory], max_tokens: int) -> list[str]:
        """Return lines of JSON of the latest memories that fit, oldest first."""
        newest = memories[::-1]
        fitting = fit_lines(newest, self._language, max_tokens, token_counter())
        return [line for i, (position, line) in enumerate(fitting) if i == position][::-1]

    def _render(self, memories: Sequence[Memory], lines: Sequence[str]) -> str:
        """Return the lines of the latest memories as one marked block."""
        parts = [to_block(lines, self._language)] if lines else []
        if len(lines) < len(memories):
            count = len(memories) - len(lines)
            parts.append(self._wording["left_out"].format(count=count))
        return "\n".join(parts) or self._wording["nothing"]

    def _render_digests(self, *, portrait: str | None = None, summary: str | None = None) -> str:
        """Return digests as one marked block."""
        context = compose(
            [],
            portrait=portrait,
            summary=summary,
            language=self._language,
            max_tokens=MAX_TOKENS,
            count=token_counter(),
        )
        return context.text or self._wording["nothing"]
