"""Values of foreign JSON, whatever their types, and placeholders for what is not text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_MAX_LABEL = 120
"""Maximum length of the name in a placeholder, in characters."""


def as_object(value: Any) -> Mapping[str, Any]:
    """Return a JSON object; an empty one if `value` is something else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> Sequence[Any]:
    """Return a JSON list; an empty one if `value` is something else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Return a string; "" if `value` is something else, or blank."""
    return value if isinstance(value, str) and value.strip() else ""


def as_id(value: Any) -> str | None:
    """Return an id, which may be an integer, as a string; None if it is something else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return as_text(value) or None


def parse_text(value: Any) -> tuple[Any, str]:
    """Return the value of JSON, and the fault if it is not valid; a parsed value as it is."""
    if not isinstance(value, (str, bytes)):
        return value, ""
    try:
        return json.loads(value), ""
    except (ValueError, RecursionError) as error:
        return None, f"it is not valid JSON: {error}"


def placeholder(kind: str, name: Any = "") -> str:
    """Return what stands for something else than text, such as "[image: beach.jpg]"."""
    label = " ".join(as_text(name).split())
    if len(label) > _MAX_LABEL:
        label = f"{label[: _MAX_LABEL - 1]}…"
    return f"[{kind}: {label}]" if label else f"[{kind}]"
