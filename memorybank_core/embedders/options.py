"""Options in the name of an embedder: "openai:text-embedding-3-small?dimensions=512"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote

from memorybank_core.errors import ConfigurationError

_READABLE = "/:,"
"""Characters of values that a name keeps as they are."""


def parse_options(
    text: str, known: Mapping[str, Callable[[str], Any]]
) -> tuple[str, dict[str, Any]]:
    """Return the model and the options of a text such as "MODEL?dimensions=512".

    Args:
        text: The part of a name after its first colon. A path that exists has no options.
        known: A function for each option that converts its value, or raises ValueError.

    Raises:
        ConfigurationError: If there is no model, or an option is unknown, repeated or not valid.
            The message has no values but those of known options, which are not secret.
    """
    model, mark, query = text.partition("?")
    if not mark or Path(text).exists():
        return text, {}
    options: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    except ValueError as error:
        raise ConfigurationError(
            f"the options of an embedder are name=value, joined by &, not as those of {model!r}"
        ) from error
    for name, value in pairs:
        if name not in known or name in options:
            problem = "repeats the option" if name in options else "has no option"
            raise ConfigurationError(
                f"the embedder {model!r} {problem} {name!r}; known: {', '.join(sorted(known))}"
            )
        try:
            options[name] = known[name](value)
        except ValueError as error:
            raise ConfigurationError(
                f"the option {name} of the embedder {model!r} cannot be {value!r}"
            ) from error
    if not model:
        raise ConfigurationError("an embedder needs the name of a model before its options")
    return model, options


def write_options(name: str, options: Mapping[str, Any]) -> str:
    """Return a name with those options that are not None, in alphabetical order."""
    parts = [
        f"{option}={quote(str(value), safe=_READABLE)}"
        for option, value in sorted(options.items())
        if value is not None
    ]
    return f"{name}?{'&'.join(parts)}" if parts else name


def positive_int(value: str) -> int:
    """Return a whole number of 1 or more; raise ValueError for another value."""
    number = int(value)
    if number < 1:
        raise ValueError(f"{value} is less than 1")
    return number
