"""Remembering: turns go in, whole and durable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from memorybank_core.concurrency import in_thread
from memorybank_core.errors import ConflictError
from memorybank_core.ingest import embed_windows, to_memories
from memorybank_core.records import Memory, Turn
from memorybank_core.reports import AddReceipt
from memorybank_core.validation import require_memories, require_moment, require_user

from .base import Base


class Remembering(Base):
    """`add` and `add_memories`."""

    def add(
        self,
        turns: Sequence[Turn],
        *,
        user_id: str,
        now: datetime | None = None,
        replace: bool = False,
    ) -> AddReceipt:
        """Remembers turns. When it returns they are on disk, in one transaction.

        A turn whose id and text are known changes nothing, so a call may be repeated. What a
        context recalled is taken out of the turns first; one of which nothing is left is left out.

        Args:
            turns: The turns; without an id, one is made from content and time.
            user_id: Whose memory.
            now: The time of turns that have none; default the present.
            replace: Let a turn take the place of another text of the same id.

        Raises:
            InvalidInputError: A turn or the user id is not what it must be.
            ConflictError: An id is taken by another text and `replace` is False.
            EmbedderError: The embedder gave vectors that cannot be used.
            StoreError: It could not be stored; nothing of this call was.
        """
        require_user(user_id)
        moment = require_moment(now)
        memories = to_memories(turns, user_id, moment, self.timezone)
        return self.add_memories(memories, user_id=user_id, replace=replace)

    def add_memories(
        self,
        memories: Sequence[Memory],
        *,
        user_id: str,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> AddReceipt:
        """Stores whole memories, with their strength and recalls: what an import has.

        Otherwise like `add`. A memory that takes another's place keeps that one's strength.

        Args:
            memories: What to store.
            user_id: Whose memory.
            replace: Let a memory take the place of another text of the same id.
            recalled: By id, when new memories were recalled before (see `recalls`).
        """
        require_user(user_id)
        require_memories(memories, user_id)
        known = self.store.known(user_id, {memory.id for memory in memories})
        new: dict[str, Memory] = {}
        for memory in memories:
            other = new.get(memory.id) or known.get(memory.id)
            if other is None:
                new[memory.id] = memory
            elif other.text != memory.text:
                if not replace:
                    raise ConflictError(
                        f"the id {memory.id!r} of user {user_id!r} is taken by another text; "
                        "pass replace=True to put this one in its place"
                    )
                new[memory.id] = memory
        if new:
            texts = [memory.text for memory in new.values()]
            vectors = embed_windows(texts, self.embedder)
            try:
                self.store.add(
                    user_id, list(new.values()), vectors, replace=replace, recalled=recalled
                )
            except ConflictError:  # another process was quicker: look again
                return self.add_memories(
                    memories, user_id=user_id, replace=replace, recalled=recalled
                )
        replaced = len(new.keys() & known.keys())
        return AddReceipt(
            ids=tuple(memory.id for memory in memories),
            added=len(new) - replaced,
            unchanged=len(memories) - len(new),
            replaced=replaced,
        )

    aadd = in_thread(add)
    aadd_memories = in_thread(add_memories)
