"""The user and the conversation that a LangChain run belongs to."""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from memorybank_core import InvalidInputError
from memorybank_core.validation import require_user


def resolve_user(user_id: str | None, config: RunnableConfig | None) -> str:
    """Return `user_id`, or without one the user that the config of the call names.

    Raises:
        InvalidInputError: If neither names a user, or the user id is invalid.
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
    """Return `session`, or else the thread or session of the config; None if it has neither."""
    options = ensure_config(config)["configurable"]
    name = session or options.get("thread_id") or options.get("session_id")
    return None if name is None else str(name)
