"""Metadata of turns: the caller's own keys, as read-only JSON values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from .errors import InvalidInputError
from .text import without_surrogates

MAX_BYTES = 16_384
"""Maximum size of a turn's metadata, as JSON in UTF-8."""
UNREMEMBERED_ANSWER = "unremembered_answer"
"""Key of an answer that the user saw and that is not part of the memory (`Turn.answer`)."""


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError("metadata is read-only; add the turn again with other metadata")


class _ReadOnlyList(list[Any]):
    """List in metadata: it equals a list, and cannot be changed."""

    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse

    def __deepcopy__(self, memo: object) -> _ReadOnlyList:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _ReadOnlyList, (list(self),)


class Metadata(dict[str, Any]):
    """JSON object that cannot be changed; it equals a dict with the same values."""

    clear = pop = popitem = setdefault = update = _refuse
    __setitem__ = __delitem__ = __ior__ = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))  # equal values have equal keys

    def __deepcopy__(self, memo: object) -> Metadata:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Metadata, (dict(self),)


NO_METADATA = Metadata()
"""The metadata of a turn that has none."""


def no_metadata() -> Metadata:
    """Return `NO_METADATA`, as a default of dataclasses: Python 3.10 refuses a dict as default."""
    return NO_METADATA


def require_metadata(metadata: Any, name: str = "metadata") -> Metadata:
    """Return a read-only copy of JSON values; None stands for no metadata.

    Raises:
        InvalidInputError: If `metadata` is not an object of at most `MAX_BYTES`, or a key is not a
            non-empty string, or a value is not a JSON value. The message names its place.
    """
    if isinstance(metadata, Metadata):
        return metadata
    if metadata is None:
        return NO_METADATA
    if not isinstance(metadata, Mapping):
        raise InvalidInputError(f"{name} must be a dictionary, not {type(metadata).__name__}")
    copied = to_read_only(metadata, name)
    size = len(to_text(copied).encode())
    if size > MAX_BYTES:
        raise InvalidInputError(f"{name} has {size:,} bytes as JSON; at most {MAX_BYTES:,} fit")
    return copied


def to_read_only(value: Mapping[str, Any], name: str) -> Metadata:
    """Return a read-only copy of a JSON object of any size.

    Raises:
        InvalidInputError: If a key or value is not valid; the message names its place in `name`.
    """
    try:
        copied: Metadata = _copy(value, name)
    except RecursionError as error:
        raise InvalidInputError(f"{name} is nested too deeply") from error
    return copied


def to_text(metadata: Mapping[str, Any]) -> str:
    """Return metadata as JSON, the same text for equal values in any order; "" if empty."""
    if not metadata:
        return ""
    return json.dumps(metadata, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def from_text(text: str | None) -> Metadata:
    """Return the metadata of a text made by `to_text`."""
    return to_read_only(json.loads(text), "metadata") if text else NO_METADATA


def _copy(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str) or not key:
                raise InvalidInputError(
                    f"the keys of {where} must be non-empty strings, not {key!r}"
                )
        return Metadata(
            (without_surrogates(key), _copy(item, f"{where}[{key!r}]"))
            for key, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return _ReadOnlyList(_copy(item, f"{where}[{n}]") for n, item in enumerate(value))
    return _copy_scalar(value, where)


def _copy_scalar(value: Any, where: str) -> Any:
    """Return a scalar as the plain Python type of its JSON value."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return without_surrogates(str.__str__(value))
    if isinstance(value, int) and abs(value) < 2**63:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    short = f"{value:g}" if isinstance(value, float) else type(value).__name__
    raise InvalidInputError(
        f"{where} must be a JSON value: a string, a number of 64 bits, true, false, null, a list "
        f"or an object; not {short}"
    )
