"""What every part of the store stands on: a call is told once, as steps, and run when called."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from memorybank_core.errors import InvalidInputError
from memorybank_core.stores.rules import require_embedder

from .awaiting import AsyncConnections
from .connections import Connections, Rows, Statement, Steps, user_scope

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Base")

WRITTEN_BY = Statement(
    "SELECT value FROM memorybank.meta WHERE name IN ('embedder', 'dimension', 'next_embedder') "
    "ORDER BY name = 'next_embedder', name DESC"
)
"""The embedder and its dimension; a third row where an unfinished `reembed` has its vectors."""


def unfinished(written_by: Rows) -> list[str]:
    """The table of an unfinished `reembed`, where `WRITTEN_BY` tells of one."""
    return ["vectors_next"] if len(written_by) > 2 else []


class Base:
    """Connections to a bank, and the embedder that writes it."""

    _connections: Connections
    _awaiting: AsyncConnections
    _embedder: str
    _dimension: int

    def _check_embedder(self, found: Rows) -> None:
        """Takes what `WRITTEN_BY` gives; refuses a bank whose vectors another embedder wrote."""
        (name,), (dimension,) = found[:2]
        expected = (self._embedder, self._dimension)
        require_embedder(self._connections.address, (name, int(dimension)), expected)

    def _look_at_embedder(self) -> Steps[None]:
        [found] = yield [WRITTEN_BY]
        self._check_embedder(found)


def reads(
    steps: Callable[Concatenate[S, str, P], Steps[R]],
) -> Callable[Concatenate[S, str, P], R]:
    """A method that runs its steps; the first argument names the one user it reads of."""
    return _run(steps, writes=False)


def writes(
    steps: Callable[Concatenate[S, str, P], Steps[R]],
) -> Callable[Concatenate[S, str, P], R]:
    """A method that runs its steps in one transaction; the first argument names the one user."""
    return _run(steps, writes=True)


def _run(
    steps: Callable[Concatenate[S, str, P], Steps[R]], *, writes: bool
) -> Callable[Concatenate[S, str, P], R]:
    @functools.wraps(steps)
    def method(self: S, user_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        make, scope = functools.partial(steps, self, user_id, *args, **kwargs), user_scope(user_id)
        try:
            return self._connections.run(make, scope, writes=writes)
        except InvalidInputError:  # of vectors, too, whose length is not that of the others
            self._connections.run(self._look_at_embedder, scope, writes=False)
            raise

    _WRITES[method] = writes
    return method


_WRITES: dict[Callable[..., Any], bool] = {}
"""Of the methods that run steps, whether they write."""


def awaited(
    method: Callable[Concatenate[S, str, P], R],
) -> Callable[Concatenate[S, str, P], Coroutine[Any, Any, R]]:
    """The native twin of such a method: a coroutine with its arguments, result and errors."""
    steps: Callable[Concatenate[S, str, P], Steps[R]] = method.__wrapped__  # type: ignore[attr-defined]
    writes = _WRITES[method]

    @functools.wraps(steps)
    async def twin(self: S, user_id: str, /, *args: P.args, **kwargs: P.kwargs) -> R:
        make, scope = functools.partial(steps, self, user_id, *args, **kwargs), user_scope(user_id)
        try:
            return await self._awaiting.run(make, scope, writes=writes)
        except InvalidInputError:
            await self._awaiting.run(self._look_at_embedder, scope, writes=False)
            raise

    twin.__name__ = f"a{method.__name__}"
    twin.__qualname__ = ".".join((*method.__qualname__.split(".")[:-1], twin.__name__))
    twin.__doc__ = f"Async `{method.__name__}`.\n\n{method.__doc__ or ''}"
    return twin
