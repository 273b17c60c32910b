"""MemoryTools: remember, recall and forget, as an agent's tools do and tell it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from .bank import MemoryBank
from .context import CLOSING, CONTEXT_TOKENS, OPENING, require_max_tokens, token_counter
from .context.markers import without_markers
from .context.strings import WORDING as OF_CONTEXT
from .records import Memory, SearchResult, Turn
from .validation import require_k

ARGUMENTS = {"remember": "text", "recall": "query", "forget": "id"}
"""The one argument of each tool."""

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
        "unknown": "Nothing is remembered about that.",
        "left_out": "{count} more fit, but have no room here. Ask for something narrower.",
        "erased": "Erased for good: {id}.",
        "no_such": "There is no memory with the id {id}. recall gives the ids.",
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
        "unknown": "没有与此有关的记忆。",
        "left_out": "另有 {count} 条相关记忆，因篇幅所限未列出。请缩小查找范围。",
        "erased": "已永久删除：{id}。",
        "no_such": "没有编号为 {id} 的记忆。编号由 recall 给出。",
    },
}
"""What the model is told, by language: of the tools and by them."""


class Told(NamedTuple):
    """What a tool tells the model, and the ids of the memories that it found, stored or erased."""

    text: str
    ids: tuple[str, ...] = ()


class MemoryTools:
    """What the tools do, in the language of the bank; the caller says whose memory it is.

    Args:
        bank: Where the memories are.
        k: How many memories `recall` gives at most, 1 or more.
        max_tokens: How long they may be together.

    Raises:
        InvalidInputError: An argument is not what it must be.
    """

    def __init__(self, bank: MemoryBank, *, k: int = 5, max_tokens: int = CONTEXT_TOKENS) -> None:
        require_k(k)
        require_max_tokens(max_tokens)
        self._bank, self._k, self._max_tokens = bank, k, max_tokens
        self._wording = WORDING[bank.language]

    def remember(self, text: str, *, user_id: str, session: str | None = None) -> Told:
        """Remembers `text` as said now by the user; the same words only once a day."""
        now = datetime.now(timezone.utc)
        said = json.dumps([self._bank.day_of(now).isoformat(), text])
        id = f"remembered-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
        turn = Turn(text, at=now, id=id, session=session)
        kept = self._bank.add([turn], user_id=user_id).ids
        return Told(self._wording["remembered" if kept else "nothing_new"].format(id=id), kept)

    def recall(self, query: str, *, user_id: str) -> Told:
        """Tells what answers `query`, marked and as data, and strengthens what it tells."""
        found = self._bank.search(query, user_id=user_id, k=self._k)
        shown = self._with_room(found)
        self._bank.reinforce([result for result, _ in shown], user_id=user_id)
        lines = [line for _, line in shown]
        if lines:
            intro = OF_CONTEXT[self._bank.language]["intro"]
            lines = [OPENING, intro, *lines, CLOSING]
        if len(shown) < len(found):
            lines.append(self._wording["left_out"].format(count=len(found) - len(shown)))
        ids = tuple(result.memory.id for result, _ in shown)
        return Told("\n".join(lines) or self._wording["unknown"], ids)

    def forget(self, id: str, *, user_id: str) -> Told:
        """Erases one memory for good."""
        receipt = self._bank.delete(user_id=user_id, ids=[id])
        if not receipt.memories:
            return Told(self._wording["no_such"].format(id=id))
        return Told(self._wording["erased"].format(id=id), (id,))

    def _with_room(self, found: Sequence[SearchResult]) -> list[tuple[SearchResult, str]]:
        """The results for which there is room, whole, and what is told of each."""
        count = token_counter(getattr(self._bank.llm, "count_tokens", None))
        room, shown = self._max_tokens, []
        for result in found:
            line = _quoted(result.memory, self._bank.language)
            if (tokens := count(line)) <= room:
                room -= tokens
                shown.append((result, line))
        return shown


def _quoted(memory: Memory, language: str) -> str:
    """A memory as one line of JSON, which nothing in it can break out of."""
    wording, turn = OF_CONTEXT[language], memory.turn
    said = [(wording["event"], memory.text)]
    if turn is not None:
        said = [
            (turn.user_name or wording["user"], turn.query),
            (turn.companion_name or wording["companion"], turn.response),
        ]
    told = [wording["line"].format(name=name, text=words) for name, words in said if words]
    plain = {"id": memory.id, "day": memory.day.isoformat(), "said": told}
    return without_markers(json.dumps(plain, ensure_ascii=False))
