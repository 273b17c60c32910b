"""Async twins of methods: they run in a thread and do not block the event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

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
        return await asyncio.to_thread(method, self, *args, **kwargs)

    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = ".".join((*method.__qualname__.split(".")[:-1], twin.__name__))
    twin.__doc__ = f"Async `{method.__name__}`.\n\n{method.__doc__ or ''}"
    return twin
