"""Deprecated calls of the stores, which version 0.2 removes."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from datetime import datetime, timezone

from memorybank_core.protocols import MemoryStore, StateChange


class DeprecatedStateCalls:
    """`archive`, `restore`, `pin` and `unpin`, which are now one call, `change_state`."""

    def archive(self: MemoryStore, user_id: str, ids: Collection[str], now: datetime) -> int:
        """Archive memories. Deprecated: use `change_state`."""
        return _change_state(self, user_id, ids, "archive", now)

    def restore(self: MemoryStore, user_id: str, ids: Collection[str], now: datetime) -> int:
        """Restore memories. Deprecated: use `change_state`."""
        return _change_state(self, user_id, ids, "restore", now)

    def pin(self: MemoryStore, user_id: str, ids: Collection[str]) -> int:
        """Pin memories. Deprecated: use `change_state`."""
        return _change_state(self, user_id, ids, "pin", datetime.now(timezone.utc))

    def unpin(self: MemoryStore, user_id: str, ids: Collection[str], now: datetime) -> int:
        """Unpin memories. Deprecated: use `change_state`."""
        return _change_state(self, user_id, ids, "unpin", now)


def _change_state(
    store: MemoryStore, user_id: str, ids: Collection[str], change: StateChange, now: datetime
) -> int:
    message = f"{change} is deprecated: call change_state(user_id, ids, {change!r}, now)"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return store.change_state(user_id, ids, change, now)
