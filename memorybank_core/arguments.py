"""Errors for calls with arguments that a method does not have, with the nearest right name."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, TypeVar, cast

from .errors import ArgumentError

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

STORE_OPTIONS = (
    "readonly",
    "cache_bytes",
    "busy_timeout",
    "readonly",
    "pool_size",
    "timeout",
    "statement_timeout",
    "pooler",
)
"""Options of our stores, among which a similar name is looked for."""
_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")
_SYNONYMS = {
    "user": "user_id",
    "limit": "k",
    "top_k": "k",
    "n": "k",
    "n_results": "k",
    "filter": "where",
    "filters": "where",
    "messages": "turns",
    "text": "query",
    "question": "query",
    "answer": "response",
    "tz": "timezone",
    "lang": "language",
    "model": "llm",
    "db": "path",
    "url": "path",
    "embedding": "embedder",
    "embeddings": "embedder",
    "session_id": "session",
    "thread_id": "session",
    "timestamp": "now",
}
"""Names that other packages have for arguments of ours; checked before similar names."""


def explain_arguments(cls: C) -> C:
    """Let the public methods of a class raise `ArgumentError` for arguments that do not fit."""
    for name, method in list(vars(cls).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(method, classmethod):
            setattr(cls, name, classmethod(explained(method.__func__)))
        elif inspect.isfunction(method) and not inspect.iscoroutinefunction(method):
            setattr(cls, name, explained(method))
    return cls


def explained(function: F) -> F:
    """Return `function`, which then raises `ArgumentError` for arguments that do not fit it.

    A call that fits costs nothing but the call itself: the arguments are compared with the
    signature only after Python has refused them.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None:
                raise  # raised inside the function
            raise ArgumentError(_describe(function, args, kwargs, error)) from None

    return cast(F, call)


@contextmanager
def explained_options(function: Callable[..., Any], options: Mapping[str, Any]) -> Iterator[None]:
    """Raise `ArgumentError` if a store that the block opens does not have one of the options.

    Args:
        function: The function that received the options, besides its own arguments.
        options: The options.
    """
    try:
        yield
    except TypeError as error:
        match = _UNEXPECTED.search(str(error))
        if match is None or match[1] not in options:
            raise
        known = [*_list_names(function), *STORE_OPTIONS]
        unknown = _name_unknown([match[1]], known)
        raise ArgumentError(
            f"neither {function.__qualname__} nor the store has an argument {unknown}"
        ) from None


def _name_unknown(unknown: Iterable[str], known: Collection[str]) -> str:
    """Return which names are unknown, with the nearest known name of each."""
    parts = []
    for name in unknown:
        synonym = _SYNONYMS.get(name)
        nearest = [synonym] if synonym in known else get_close_matches(name, known, 1)
        parts.append(f"{name!r}" + (f" (did you mean {nearest[0]!r}?)" if nearest else ""))
    return ", ".join(parts)


def _describe(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: TypeError
) -> str:
    """Return why Python refused the arguments of a call."""
    parameters = inspect.signature(function).parameters
    names = _list_names(function)
    required = [
        name
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    ]
    call = function.__qualname__.removesuffix(".__init__")
    if unknown := [name for name in kwargs if name not in parameters]:
        return (
            f"{call} has no argument {_name_unknown(unknown, names)}; it takes {', '.join(names)}"
        )
    if missing := [name for name in required if name not in kwargs]:
        return f"{call} needs the argument {', '.join(map(repr, missing))}"
    return str(error)


def _list_names(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments that a caller can pass."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.name not in ("self", "cls") and p.kind != p.VAR_KEYWORD]
