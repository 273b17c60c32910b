"""Memory block for LlamaIndex's own `Memory`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.memory import BaseMemoryBlock, InsertMethod, Memory
from pydantic import ConfigDict, Field, PrivateAttr
from typing_extensions import Self

from memorybank_core import Memory as StoredMemory
from memorybank_core import MemoryBank
from memorybank_core.concurrency import in_thread
from memorybank_core.context import CONTEXT_TOKENS, MIN_RELEVANCE, without_recalled
from memorybank_core.validation import to_user_id

from .conversation import ConversationState, split_turns
from .failures import attempt, failure_reporter
from .fields import MetadataField, TokenizerField, UserField, UserId, WhereField, share
from .messages import copy_messages, extract_text, is_answered, is_user_message, to_plain
from .open_turn import OpenTurn, Phase
from .synchronization import end_conversation, find_open
from .turn_writer import TurnWriter
from .write_through import TURN_KEY, WriteThroughMemory

_LOOKBACK = 20
"""Number of latest messages in the prompt that are compared with what is recalled, if they have no
id of a stored turn."""
_MAX_OPEN_TURNS = 1000
"""Maximum number of sessions whose open turn is kept."""


class MemoryBankBlock(BaseMemoryBlock[str]):
    """Block of a `Memory` with a user's digests and the memories relevant to the last message.

    `Memory.from_defaults(memory_blocks=[MemoryBankBlock(bank=bank, user_id=...)])`. LlamaIndex
    passes a block only the messages that exceed the token limit of the `Memory`, so that only they
    are stored; with `memory_with_bank` every turn is stored immediately. The conversation is the
    session of the `Memory`, and any number of sessions may share a block. Memories are recalled
    once a turn, and strengthened when the block sees the answer. If the bank fails, the chat
    continues, as with `MemoryBankMemory`; only `reset` of the `Memory` raises its errors.

    Attributes:
        name: Name of the block within the memory.
        bank: Bank that stores the turns.
        user_id: User the memories belong to.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        tokenizer: Counts tokens, as in `MemoryBank.context`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories and latest turns, as in `search`.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    name: str = "MemoryBank"
    bank: MemoryBank = Field(exclude=True)
    user_id: UserField
    k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=CONTEXT_TOKENS, ge=1)
    min_relevance: float = Field(default=MIN_RELEVANCE, ge=0, le=1)
    tokenizer: TokenizerField = Field(default=None, exclude=True)
    metadata: MetadataField = Field(default_factory=dict)
    where: WhereField = None
    _open_turns: OrderedDict[str | None, OpenTurn] = PrivateAttr(default_factory=OrderedDict)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return a copy that shares the bank and the tokenizer."""
        return super().__deepcopy__(share(memo, self.tokenizer))

    async def aput(
        self,
        messages: list[ChatMessage],
        from_short_term_memory: bool = False,
        session_id: str | None = None,
    ) -> None:
        """Store the text of a session's messages, which is on disk when the call returns.

        A user message begins a turn; the answers that follow, in this call or a later one,
        complete it. An answer to nothing is a turn of its own.

        Args:
            messages: The messages.
            from_short_term_memory: Whether the messages were moved out of the short-term memory;
                such messages are ignored if `accept_short_term_memory` is False.
            session_id: Session of the messages.
        """
        if not from_short_term_memory:
            await self.astore(messages, session_id)
        elif self.accept_short_term_memory:
            await self._astore_overflow(messages, session_id)

    async def aopen(self, messages: list[ChatMessage], session_id: str | None = None) -> None:
        """Store the user message at the end of these messages if it has no answer yet."""
        last = split_turns(messages)[1][-1:]
        if last and last[0].is_open:
            await self.astore(last[0].messages, session_id)

    def store(self, messages: Sequence[ChatMessage], session: str | None) -> list[str | None]:
        """Store messages as `aput` does; return the id of the stored turn of each, or None."""
        turn = self._find_open(session)
        state = self._store(messages, session, turn)
        self._keep(session, state.open_turn)
        ids = {id(m): turn.id for turn in state.turns if turn.is_stored for m in turn.messages}
        return [ids.get(id(message)) for message in messages]

    def end(self, session: str | None) -> None:
        """End the conversation of a session: what is put next does not answer its last turn.

        Raises:
            StoreError: If the store cannot be read or written.
        """
        self._keep(session, None)
        self.bank.backlog.flush(failure_reporter(self.user_id))
        if metadata := end_conversation(self._read_latest(session, 1)):
            self.bank.store.set_metadata(self.user_id, metadata)

    astore = in_thread(store)
    aend = in_thread(end)

    async def _aput(self, messages: list[ChatMessage]) -> None:
        await self.astore(messages, None)

    async def _aget(
        self,
        messages: list[ChatMessage] | None = None,
        session_id: str | None = None,
        **block_kwargs: Any,
    ) -> str:
        return await self._arecall(messages or [], session_id)

    def _store_overflow(self, messages: Sequence[ChatMessage], session: str | None) -> None:
        self._store(copy_messages(messages), session, self._find_stored(session))

    def _store(
        self, messages: Sequence[ChatMessage], session: str | None, turn: OpenTurn | None
    ) -> ConversationState:
        state = ConversationState(open_turn=turn)
        if turn and turn.awaits_answer:
            state = state.with_begun(turn, [])
        return TurnWriter(self, session, datetime.now(timezone.utc)).store(state, messages)

    def _recall(self, messages: Sequence[ChatMessage], session: str | None) -> str:
        users = [i for i, message in enumerate(messages) if is_user_message(message)]
        last = users[-1] if users else len(messages)
        query = without_recalled(extract_text(messages[last])) if users else ""
        shown = _list_shown([*messages[:last], *messages[last + 1 :]])
        turn = self._find_open(session)
        if turn and turn.phase == "upcoming" and is_answered(messages, turn.query):
            turn, _ = turn.complete(self, "")  # the answer is stored when the message is
        has_answer = bool(users) and is_answered(messages[last:], query)
        if turn and turn.is_of(query) and (turn.phase == "answered") == has_answer:
            turn = turn.refreshed(self, session, shown)
            self._keep(session, turn)
            return turn.block or ""
        awaits_answer = turn is not None and turn.awaits_answer
        is_new = bool(query.strip()) and not has_answer and not awaits_answer
        phase: Phase = "upcoming" if is_new else "answered"
        turn = OpenTurn.begin(self, session, query, shown, phase=phase)
        if not awaits_answer:
            self._keep(session, turn)
        return turn.block or ""

    def _find_open(self, session: str | None) -> OpenTurn | None:
        """Return the open turn of a session, else the one that was answered last."""
        self.bank.backlog.flush(failure_reporter(self.user_id))
        turn = self._open_turns.get(session)
        if turn and turn.phase != "answered":
            return turn
        return self._find_stored(session) or turn

    def _find_stored(self, session: str | None) -> OpenTurn | None:
        """Return the last stored turn of a session if it is open."""

        def find() -> OpenTurn | None:
            return find_open(self._read_latest(session, 1), self)

        return attempt(self.bank, self.user_id, "find the open turn", find, None)

    def _keep(self, session: str | None, turn: OpenTurn | None) -> None:
        self._open_turns.pop(session, None)
        if turn is not None:
            self._open_turns[session] = turn
        if len(self._open_turns) > _MAX_OPEN_TURNS:
            self._open_turns.popitem(last=False)

    def _read_latest(self, session: str | None, last: int) -> list[StoredMemory]:
        return self.bank.timeline(
            user_id=self.user_id,
            session=session,
            kind="turn",
            archived=True,
            last=last,
            where=self.where,
        )

    _astore_overflow = in_thread(_store_overflow)
    _arecall = in_thread(_recall)


def memory_with_bank(
    bank: MemoryBank,
    user_id: UserId,
    session: str | None = None,
    *,
    k: int | None = None,
    max_tokens: int = CONTEXT_TOKENS,
    min_relevance: float = MIN_RELEVANCE,
    metadata: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    **options: Any,
) -> Memory:
    """Return LlamaIndex's own `Memory` with a block that stores every turn immediately.

    By default the recalled text is inserted into the user's message, because a `ReActAgent` drops
    system messages and the cached prefix of the prompt stays valid; `insert_method` changes this.
    A workflow's `Context` cannot serialize a `Memory` with blocks; use `MemoryBankMemory` there.

    Args:
        bank: Bank that stores the turns.
        user_id: User the memories belong to.
        session: Name of the conversation; None begins a new one.
        k: Maximum number of recalled memories; None takes as many as fit.
        max_tokens: Maximum length of the recalled text.
        min_relevance: Relevance below which memories are left out, as in `MemoryBank.context`.
        metadata: Metadata of the turns that are stored, such as {"agent": "coder"}.
        where: Conditions on the metadata of recalled memories, as in `MemoryBank.search`; None
            for all.
        **options: Options of `Memory.from_defaults`, including further `memory_blocks`.

    Raises:
        ValidationError: If an argument is invalid (also a ValueError).
    """
    block = MemoryBankBlock(
        bank=bank,
        user_id=to_user_id(user_id),
        k=k,
        max_tokens=max_tokens,
        min_relevance=min_relevance,
        metadata={} if metadata is None else dict(metadata),
        where=None if where is None else dict(where),
        accept_short_term_memory=False,
    )
    blocks = [block, *options.pop("memory_blocks", ())]
    options = {"insert_method": InsertMethod.USER, **options}
    return WriteThroughMemory.from_defaults(session_id=session, memory_blocks=blocks, **options)


def _list_shown(messages: Sequence[ChatMessage]) -> list[Any]:
    """Return what messages in a prompt show: ids of stored turns, and messages without an id."""
    ids: list[Any] = [id for message in messages if (id := message.additional_kwargs.get(TURN_KEY))]
    unmarked = [message for message in messages if TURN_KEY not in message.additional_kwargs]
    return [*dict.fromkeys(ids), *to_plain(unmarked[-_LOOKBACK:])]
