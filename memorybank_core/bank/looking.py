"""Looking around: what the bank holds, and its upkeep."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from memorybank_core.concurrency import in_thread
from memorybank_core.records import Kind, Memory
from memorybank_core.reports import Stats
from memorybank_core.validation import profile_json, require_k, require_user

from .base import Base, filter_of, ids_of


class Looking(Base):
    """`get`, `timeline`, `recalls`, `users`, `stats`, the profile and `compact`."""

    def get(self, ids: Collection[str], *, user_id: str) -> dict[str, Memory]:
        """Return the memories of these ids, archived ones included.

        Args:
            ids: Ids of memories.
            user_id: The user.

        Returns:
            The memories by id, in the order of `ids`. An unknown id is missing.
        """
        require_user(user_id)
        memories = self.store.known(user_id, ids := ids_of(ids, user_id))
        return {id: memories[id] for id in ids if id in memories}

    def timeline(
        self,
        *,
        user_id: str,
        since: date | None = None,
        until: date | None = None,
        kind: Kind | None = None,
        session: str | None = None,
        archived: bool = False,
        last: int | None = None,
    ) -> list[Memory]:
        """Memories in the order of their time.

        Args:
            user_id: Whose memory.
            since: As in `search`, as the following.
            until: No memory of a later day.
            kind: "turn" or "event" only.
            session: This conversation only.
            archived: Also what was forgotten.
            last: Only the latest so many, 1 or more; still the oldest of them first.
        """
        require_user(user_id)
        if last is not None:
            require_k(last, "last")
        wanted = filter_of(since, until, kind, session, archived)
        return self.store.memories(user_id, wanted, last=last)

    def recalls(self, id: str, *, user_id: str) -> list[datetime]:
        """When a memory was recalled, oldest first."""
        require_user(user_id)
        return self.store.recalls(user_id, id)

    def users(self) -> list[str]:
        """Every user id, sorted."""
        return list(self.store.users())

    def stats(self, *, user_id: str | None = None) -> Stats:
        """Counts over one user or, without `user_id`, over all."""
        if user_id is not None:
            require_user(user_id)
        return self.store.stats(user_id)

    def profile(self, *, user_id: str) -> dict[str, Any]:
        """What is known of the user beside the dialogue (name, hobbies, …)."""
        require_user(user_id)
        profile: dict[str, Any] = json.loads(self.store.profile(user_id))
        return profile

    def set_profile(self, profile: dict[str, Any], *, user_id: str) -> None:
        """Stores what is known of the user beside the dialogue; any JSON object."""
        require_user(user_id)
        self.store.set_profile(user_id, profile_json(profile))

    def compact(self) -> bool:
        """Gives back the room of what was deleted, by rewriting the file.

        While it runs it takes twice the file's size of disk. Returns False where a reader of an
        old state was in the way; call it again.
        """
        return self.store.compact()

    aget = in_thread(get)
    atimeline = in_thread(timeline)
    arecalls = in_thread(recalls)
    ausers = in_thread(users)
    astats = in_thread(stats)
    aprofile = in_thread(profile)
    aset_profile = in_thread(set_profile)
    acompact = in_thread(compact)
