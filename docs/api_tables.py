"""Hook for MkDocs: insert tables of a class's methods and of a call's options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from griffe import Docstring

TABLE = re.compile(r"<!-- (methods|options) of ([\w.]+) -->")
"""Placeholder in a page for the table of a class's methods, or of a call's keyword arguments."""

_FROM_BANK = ("embedder", "dimension")  # arguments of a store that `MemoryBank.open` passes


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the placeholders by their tables."""
    tables = {"methods": _methods, "options": _options}

    def expand(match: re.Match[str]) -> str:
        return "\n".join(tables[match[1]](match[2]))

    return TABLE.sub(expand, markdown)


def _methods(path: str) -> Iterator[str]:
    """Yield a row for each public method, in the order of the source."""
    yield "| Method | Async twin | |\n| --- | --- | --- |"
    cls = _find(path)
    for name, member in vars(cls).items():
        method = getattr(cls, name)
        is_twin = name.startswith("a") and name[1:] in vars(cls)
        if name.startswith("_") or is_twin or isinstance(member, property) or not callable(method):
            continue
        twin = f"`a{name}`" if hasattr(cls, f"a{name}") else ""
        summary = _escape(str(method.__doc__).split("\n\n", 1)[0])
        yield f"| [`{name}`](#{path}.{name}) | {twin} | {summary} |"


def _options(path: str) -> Iterator[str]:
    """Yield a row for each keyword argument, except deprecated ones."""
    yield "| Option | Default | |\n| --- | --- | --- |"
    call = _find(path)
    descriptions = _describe_arguments(call)
    for parameter in inspect.signature(call).parameters.values():
        text = descriptions.get(parameter.name, "")
        is_own = path.endswith(".open") or parameter.name not in _FROM_BANK
        if parameter.kind == parameter.KEYWORD_ONLY and is_own and "Deprecated" not in text:
            default = _format_default(parameter.name, parameter.default)
            yield f"| `{parameter.name}` | {default} | {_escape(text)} |"


def _format_default(name: str, value: Any) -> str:
    return f"{value // 2**20} MiB" if name.endswith("_bytes") else f"`{value!r}`"


def _describe_arguments(call: Callable[..., Any]) -> dict[str, str]:
    """Return the descriptions of arguments in a docstring, by name."""
    sections = Docstring(inspect.getdoc(call) or "").parse("google", warnings=False)
    return {
        argument.name: argument.description
        for section in sections
        if section.kind.value == "parameters"
        for argument in section.value
    }


def _find(path: str) -> Any:
    """Return the object at a dotted path: a module's attribute, or a class's."""
    owner, _, name = path.rpartition(".")
    try:
        return getattr(import_module(owner), name)
    except ModuleNotFoundError:
        return getattr(_find(owner), name)


def _escape(text: str) -> str:
    """Return `text` as a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")
