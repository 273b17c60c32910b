"""User and conversation of a LangChain run, read from its config."""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from memorybank_core import InvalidInputError
from memorybank_core.validation import require_user


def resolve_user(user_id: str | None, config: RunnableConfig | None) -> str:
    """Return `user_id`; if it is None, the `user_id` in the config of the call.

    Raises:
        InvalidInputError: If both are missing, or the user id is invalid.
    """
    if user_id is None:
        user_id = ensure_config(config)["configurable"].get("user_id")
    if user_id is None:
        raise InvalidInputError(
            "user_id is missing: pass user_id=... when you create the memory, or "
            'config={"configurable": {"user_id": ...}} with each call'
        )
    require_user(user_id)
    return user_id


def resolve_session(session: str | None, config: RunnableConfig | None) -> str | None:
    """Return `session`, else the config's `thread_id` or `session_id`, else None."""
    options = ensure_config(config)["configurable"]
    name = session or options.get("thread_id") or options.get("session_id")
    return None if name is None else str(name)
