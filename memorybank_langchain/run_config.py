"""User and conversation of a LangChain run: one rule for every class and function."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from memorybank_core import InvalidInputError, Memory
from memorybank_core.validation import to_user_id as to_user_id  # also for other modules

UserId = str | int | UUID
"""A user's id; integers and UUIDs stand for their text."""
USER_ID_KEY = "user_id"
"""Default key of the user's id in the context or config of a run."""
TURN_KEY = "__memorybank_turn"
"""Configurable value of the id of the turn in progress, which a history does not show yet."""
CURRENT_TURN: ContextVar[str | None] = ContextVar("memorybank_turn", default=None)
"""Id of the turn in which an agent calls a tool."""
CONTEXT_KEY = "__memorybank_context"
"""Configurable value of the context recalled for the turn in progress."""
REPLACED_KEY = "__memorybank_replaced"
"""Configurable value of the stored turn (a `Memory`) that the turn in progress replaces.

It stays as it is until the new answer is complete. A client's JSON holds no such record.
"""
AUTHENTICATED_PREFIX = "langgraph_auth_"
"""Prefix of the keys that a LangGraph server sets from the authenticated request.

The server overwrites them in the config. A context comes from the client, so it is not read.
"""


def resolve_user(
    user_id: Any,
    config: RunnableConfig | None,
    *,
    key: str = USER_ID_KEY,
    context: Any = None,
) -> str:
    """Return the user of a run: `user_id`, else the run's context, else its configurable values.

    Args:
        user_id: The user if it is fixed; None reads it from the run.
        config: Config of the call; None takes the one of the run in progress.
        key: Key or attribute of the user's id. With "langgraph_auth_user_id", a LangGraph server
            with authentication names the user, and a client cannot name another.
        context: Context of the run; None takes the one of the run in progress.

    Raises:
        InvalidInputError: If no user is named, or the id is not a non-empty string, an integer or
            a UUID.
    """
    if user_id is None:
        user_id = find_user(config, key=key, context=context)
    if user_id is None:
        raise InvalidInputError(
            f"{key} is missing: pass user_id=... when you create the memory, or with each run "
            f"context={{{key!r}: ...}} or config={{'configurable': {{{key!r}: ...}}}}"
        )
    return to_user_id(user_id)


def find_user(config: RunnableConfig | None, *, key: str = USER_ID_KEY, context: Any = None) -> Any:
    """Return the value of `key` in a run's context, else in its config; None without either."""
    configurable = ensure_config(config).get("configurable", {})
    user_id = None
    if not key.startswith(AUTHENTICATED_PREFIX):
        user_id = _read(_find_context(configurable) if context is None else context, key)
    return configurable.get(key) if user_id is None else user_id


def resolve_session(session: str | None, config: RunnableConfig | None) -> str | None:
    """Return `session`, else the config's `thread_id` or `session_id`, else None."""
    options = ensure_config(config)["configurable"]
    names = (session, options.get("thread_id"), options.get("session_id"))
    return next((str(name) for name in names if name not in (None, "")), None)


def find_turn(config: RunnableConfig | None) -> str | None:
    """Return the id of the turn in progress, of a chain or an agent; None outside one."""
    turn = ensure_config(config)["configurable"].get(TURN_KEY)
    return turn if isinstance(turn, str) else CURRENT_TURN.get()


@contextmanager
def turn_in_progress(id: str | None) -> Iterator[None]:
    """Let tools that are called in the block find the id of an agent's turn."""
    token = CURRENT_TURN.set(id)
    try:
        yield
    finally:
        CURRENT_TURN.reset(token)


def find_replaced(config: RunnableConfig) -> Memory | None:
    """Return the stored turn that the turn of a run replaces; None if it is a new turn."""
    replaced = config.get("configurable", {}).get(REPLACED_KEY)
    return replaced if isinstance(replaced, Memory) else None


def _find_context(configurable: Mapping[str, Any]) -> Any:
    """Return the context of the graph in progress; None outside a graph."""
    if "langgraph" not in sys.modules:  # then there is no graph
        return None
    from langgraph.runtime import get_runtime

    try:
        runtime: Any = get_runtime()
    except (RuntimeError, KeyError):
        runtime = configurable.get("__pregel_runtime")  # Python 3.10 loses the context of tasks
    return getattr(runtime, "context", None)


def _read(context: Any, key: str) -> Any:
    if isinstance(context, Mapping):
        return context.get(key)
    return getattr(context, key, None)
