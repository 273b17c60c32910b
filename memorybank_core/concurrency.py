"""Async twins of methods, which run in a thread, and limits of waiting times."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Concatenate, ParamSpec, TypeVar

from .arguments import explained

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def in_thread(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Return a coroutine method with the arguments, result and errors of `method`.

    Cancelling the coroutine does not stop the thread: a write that has begun completes.
    """

    @functools.wraps(method)
    async def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        public = getattr(self, method.__name__)  # as it is called, and may be overridden
        result: R = await asyncio.to_thread(explained(public), *args, **kwargs)
        return result

    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = ".".join((*method.__qualname__.split(".")[:-1], twin.__name__))
    twin.__doc__ = f"Async `{method.__name__}`.\n\n{method.__doc__ or ''}"
    return twin


_WAIT_LIMIT: ContextVar[float | None] = ContextVar("_WAIT_LIMIT", default=None)


@contextmanager
def limited_wait(seconds: float) -> Iterator[None]:
    """Let stores wait at most `seconds` for a connection or a lock, within the block."""
    token = _WAIT_LIMIT.set(seconds)
    try:
        yield
    finally:
        _WAIT_LIMIT.reset(token)


def limit_wait(timeout: float) -> float:
    """Return `timeout`, or the limit of the surrounding `limited_wait` if that is shorter."""
    limit = _WAIT_LIMIT.get()
    return timeout if limit is None else min(timeout, limit)


_ON_WAIT: ContextVar[Callable[[float], None] | None] = ContextVar("_ON_WAIT", default=None)


@contextmanager
def reported_waits(on_wait: Callable[[float], None]) -> Iterator[None]:
    """Call `on_wait` about once a second while a call within the block waits for a file's lock.

    Args:
        on_wait: Called with the seconds after which the call gives up.
    """
    token = _ON_WAIT.set(on_wait)
    try:
        yield
    finally:
        _ON_WAIT.reset(token)


def reports_waits() -> bool:
    """Return whether this call is within `reported_waits`."""
    return _ON_WAIT.get() is not None


def report_wait(left: float) -> None:
    """Report that a call waits for a lock, for at most `left` seconds more."""
    if on_wait := _ON_WAIT.get():
        on_wait(left)
