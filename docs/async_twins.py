"""Griffe extension: name the async twin of a method in the method's description."""

from __future__ import annotations

from typing import Any

from griffe import Class, Docstring, Extension, Object


class AsyncTwins(Extension):
    """Add "Async twin: `aadd`." to the description of `add`, for every method with a twin."""

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Add the names of twins to the docstrings of a class's own methods."""
        for name, twin in cls.members.items():
            method = cls.members.get(name[1:])
            if name.startswith("a") and method is not None and _is_twin(twin, method):
                _describe(method, name)


def _is_twin(twin: Any, method: Any) -> bool:
    if twin.is_alias or method.is_alias or not method.is_function:
        return False
    if twin.is_function:
        return "async" in twin.labels
    return "in_thread(" in str(twin.value)


def _describe(method: Object, twin: str) -> None:
    if method.docstring is None:
        return
    first, rest = (*method.docstring.value.split("\n\n", 1), "")[:2]
    value = f"{first}\n\nAsync twin: `{twin}`.\n\n{rest}".strip()
    method.docstring = Docstring(value, parser="google", parent=method)
