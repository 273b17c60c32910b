"""MemoryTools: the tools remember, recall and forget of an agent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, NamedTuple

from .bank import MemoryBank
from .conditions import matches, require_where
from .context import (
    CONTEXT_TOKENS,
    MIN_RELEVANCE,
    compute_signals,
    memories_within,
    require_options,
    token_counter,
)
from .metadata import require_metadata
from .record_values import plain_value
from .records import SearchResult, Turn
from .search.relevance import select_reinforced
from .search.superseding import keep_current
from .tool_lines import fit_lines, to_block

ARGUMENTS = {"remember": "text", "recall": "query", "forget": "id"}
"""Name of the only argument of each tool."""

WORDING = {
    "en": {
        "remember": "Remember something for later conversations: what the user tells of "
        "themselves, likes, plans, or asks to be remembered.",
        "text": "What to remember, in a sentence that can be understood alone.",
        "recall": "Search what is remembered of earlier conversations with the user. Gives the "
        "memories that fit best, the best first, each with its id and its day.",
        "query": "What to look for; a day may be named, too.",
        "forget": "Erase one memory for good. Only for what the user asks to be forgotten.",
        "id": "The memory's id, as recall or remember gave it.",
        "remembered": "Remembered with the id {id}.",
        "nothing_new": "Nothing was remembered: that is in the memory already.",
        "was_deleted": "Nothing was remembered: this was deleted a short time ago.",
        "unknown": "Nothing is remembered about that.",
        "left_out": "Left out for lack of space: {count}. Ask for something narrower.",
        "erased": "Erased for good: {id}.",
        "no_such": "There is no memory with the id {id}. recall gives the ids.",
        "failed": "The memory is not available at the moment. Go on without it.",
    },
    "zh": {
        "remember": "记住某件事，供以后的对话使用："
        "用户谈到的自己的情况、喜好、计划，或要求记住的内容。",
        "text": "要记住的内容，用一句单独看也能明白的话。",
        "recall": "在以往与用户对话的记忆中查找。"
        "返回最相关的记忆，最相关的在前，每条都有编号和日期。",
        "query": "要查找的内容，也可以指明日期。",
        "forget": "永久删除一条记忆。仅用于用户要求忘记的内容。",
        "id": "记忆的编号，由 recall 或 remember 给出。",
        "remembered": "已记住，编号 {id}。",
        "nothing_new": "没有记下新内容：这已在记忆中。",
        "was_deleted": "没有记下：这条内容不久前已被删除。",
        "unknown": "没有与此有关的记忆。",
        "left_out": "因篇幅所限未列出：{count} 条。请缩小查找范围。",
        "erased": "已永久删除：{id}。",
        "no_such": "没有编号为 {id} 的记忆。编号由 recall 给出。",
        "failed": "记忆暂时无法使用，请在没有它的情况下继续。",
    },
}
"""The texts for the model, by language: descriptions and replies of the tools."""


class ToolReply(NamedTuple):
    """Reply of a tool.

    Attributes:
        text: The text for the model.
        ids: Ids of the memories that were found, stored or erased.
        reinforced: Ids of the memories that were strengthened.
        results: The memories that were found.
        lines: Their lines of JSON in the text.
    """

    text: str
    ids: tuple[str, ...] = ()
    reinforced: tuple[str, ...] = ()
    results: tuple[SearchResult, ...] = ()
    lines: tuple[str, ...] = ()


class MemoryTools:
    """The tools as methods, with replies in the bank's language. The caller passes the user.

    Args:
        bank: The bank.
        k: Maximum number of memories that `recall` returns, 1 or more; None takes as many as fit.
        max_tokens: Maximum total length of these memories.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        metadata: Metadata of what `remember` stores.
        where: Conditions on the metadata of the memories that `recall` returns and `forget` may
            erase; None for all.

    Raises:
        InvalidInputError: If an argument is not valid.
    """

    def __init__(
        self,
        bank: MemoryBank,
        *,
        k: int | None = None,
        max_tokens: int = CONTEXT_TOKENS,
        min_relevance: float = MIN_RELEVANCE,
        metadata: Mapping[str, Any] | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> None:
        require_options(k, max_tokens, min_relevance)
        self._metadata, self._where = require_metadata(metadata), require_where(where)
        self._bank, self._k, self._max_tokens = bank, k, max_tokens
        self._min_relevance, self._wording = min_relevance, WORDING[bank.language]
        self._language = bank.language

    def remember(self, text: str, *, user_id: str, session: str | None = None) -> ToolReply:
        """Store `text` as a message of the user, but not the same text twice on a day.

        Equal texts with other metadata, as of another agent, are other memories. A memory of that
        day that was archived is active again. A text that repeats what was deleted in this process
        within the last hour is not stored, unless the user has said it again in a turn since; see
        `DeletedTexts`.
        """
        if self._bank.deleted_texts.repeats(user_id, text):
            return ToolReply(self._wording["was_deleted"])
        now = datetime.now(timezone.utc)
        id = self._derive_id(text, now)
        turn = Turn(text, at=now, id=id, session=session, metadata=self._metadata)
        receipt = self._bank.add([turn], user_id=user_id)
        if receipt.ids and not receipt.added:
            self._bank.restore(receipt.ids, user_id=user_id)
        reply = self._wording["remembered" if receipt.ids else "nothing_new"]
        return ToolReply(reply.format(id=id), receipt.ids)

    def recall(self, query: str, *, user_id: str, turn: str | None = None) -> ToolReply:
        """Return the memories for `query` as one marked block, and reinforce the best.

        Args:
            query: The query.
            user_id: The user.
            turn: Id of the turn in progress, in which each memory gains strength only once.
        """
        k = self._k or memories_within(self._max_tokens)
        results = self._bank.search(
            query,
            user_id=user_id,
            k=k,
            min_relevance=self._min_relevance,
            where=self._where,
        )
        results = keep_current(results)
        fitting = self._fit(query, results, user_id)
        best = select_reinforced(result for result, _ in fitting)
        self._bank.reinforce(best, user_id=user_id, turn=turn)
        lines = tuple(line for _, line in fitting)
        parts = [to_block(lines, self._language)] if lines else []
        if len(fitting) < len(results):
            omitted = len(results) - len(fitting)
            parts.append(self._wording["left_out"].format(count=omitted))
        shown = tuple(result for result, _ in fitting)
        ids = tuple(result.memory.id for result in shown)
        reinforced = tuple(result.memory.id for result in best)
        text = "\n".join(parts) or self._wording["unknown"]
        return ToolReply(text, ids, reinforced, shown, lines)

    def forget(self, id: str, *, user_id: str) -> ToolReply:
        """Erase one memory permanently."""
        is_allowed = self._where is None or any(
            matches(memory.metadata, self._where)
            for memory in self._bank.get([id], user_id=user_id).values()
        )
        if not is_allowed or not self._bank.delete(user_id=user_id, ids=[id]).memories:
            return ToolReply(self._wording["no_such"].format(id=id))
        return ToolReply(self._wording["erased"].format(id=id), (id,))

    def _derive_id(self, text: str, now: datetime) -> str:
        """Return the id of a text to remember: the same for the same text on a day."""
        parts: list[Any] = [self._bank.day_of(now).isoformat(), text]
        if self._metadata:
            parts.append(plain_value(self._metadata))
        content = json.dumps(parts, sort_keys=True)
        return f"remembered-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def _fit(
        self, query: str, results: Sequence[SearchResult], user_id: str
    ) -> list[tuple[SearchResult, str]]:
        """Return the results that fit into `max_tokens`, each with its line of the reply."""
        bank = self._bank
        count = token_counter(getattr(bank.llm, "count_tokens", None))
        embed = bank.embed_query
        signals = partial(compute_signals, bank.store, embed, query, results, user_id=user_id)
        memories = [result.memory for result in results]
        fitting = fit_lines(memories, self._language, self._max_tokens, count, signals)
        return [(results[position], line) for position, line in fitting]
