"""Of which user and which conversation a run of LangChain's is."""

from __future__ import annotations

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from memorybank_core import InvalidInputError
from memorybank_core.validation import require_user


def user_of(user_id: str | None, config: RunnableConfig | None) -> str:
    """The user of a call: the one that is fixed, else the one that its config names.

    Raises:
        InvalidInputError: There is none, or it is no user id.
    """
    if user_id is None:
        user_id = ensure_config(config)["configurable"].get("user_id")
    if user_id is None:
        raise InvalidInputError(
            "whose memory? Pass user_id=... where the memory is made, or to each call "
            'config={"configurable": {"user_id": ...}}'
        )
    require_user(user_id)
    return user_id


def session_of(session: str | None, config: RunnableConfig | None) -> str | None:
    """The conversation of a call: the fixed one, else the config's; None where it has none."""
    told = ensure_config(config)["configurable"]
    found = session or told.get("thread_id") or told.get("session_id")
    return None if found is None else str(found)
