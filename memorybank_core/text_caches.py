"""Caches of what was computed from texts of users; a deletion empties them."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")

_CLEARS: list[Callable[[], None]] = []


def cache_by_text(size: int) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that keeps the last `size` results of a pure function of texts.

    The kept arguments can be words of a user, so a deletion must call `clear_text_caches`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        cached = lru_cache(maxsize=size)(function)
        _CLEARS.append(cached.cache_clear)
        return cast(Callable[P, R], cached)

    return decorate


def clear_on_deletion(clear: Callable[[], None]) -> None:
    """Call `clear` after each deletion, to empty a cache that can contain texts of users."""
    _CLEARS.append(clear)


def clear_text_caches() -> None:
    """Forget the texts that this process kept, of all users and banks."""
    for clear in _CLEARS:
        clear()
