"""Contents of messages as the APIs of models have them: a text, or parts of several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .content import as_object, as_text, placeholder
from .conversations import join_texts
from .omissions import Omissions

_THOUGHTS = frozenset({"thinking", "redacted_thinking", "reasoning", "reasoning_content"})
_RESULTS = frozenset({"tool_response", "function_response", "function_call_output"})
_CALLS = frozenset({"tool_use", "tool_call", "function_call"})
_TEXT_KINDS = frozenset({"text", "input_text", "output_text", "refusal"})
_TEXTS = ("text", "refusal", "transcript")
_INNER = ("parts", "content", "text", "value", "refusal")
"""Keys of an object that hold its content, as of a whole message."""
_LABELS = {
    "image_url": "image",
    "input_image": "image",
    "image_file": "image",
    "input_audio": "audio",
    "input_file": "file",
}


def read_content(content: Any, omissions: Omissions, *, shows_calls: bool = True) -> str:
    """Return the text of a content, with placeholders for parts that are not text.

    Args:
        content: A string, a list of parts, one part, or an object that has one of these.
        omissions: Counts thoughts and results of tools, which are left out.
        shows_calls: Whether calls of tools get a placeholder.
    """
    while isinstance(content, Mapping):
        kind = as_text(content.get("type"))
        values = (content.get(key) for key in _INNER)
        inner = next((value for value in values if value not in (None, "")), None)
        if silent_kind(kind) or (kind and inner is None):
            return _part_text(content, omissions, shows_calls)
        content = inner
    if isinstance(content, list):
        return join_texts(_part_text(part, omissions, shows_calls) for part in content)
    return content if isinstance(content, str) else ""


def silent_kind(kind: str) -> str:
    """Return what parts of a kind are, in the plural, if they are left out; "" if they are not."""
    if kind in _THOUGHTS:
        return "thoughts of the model"
    return "tool results" if kind.endswith("tool_result") or kind in _RESULTS else ""


def is_call(kind: str) -> bool:
    """Return whether parts of a kind call a tool, of the program or of a server."""
    return kind in _CALLS or kind.endswith("_tool_use")


def _part_text(part: Any, omissions: Omissions, shows_calls: bool) -> str:
    """Return the text of a part, or a placeholder that names it."""
    if isinstance(part, str):
        return part
    part = as_object(part)
    kind = as_text(part.get("type"))
    if silent := silent_kind(kind):
        omissions.add(silent)
        return ""
    values = [part.get(key) for key in _TEXTS]
    texts = [as_text(value) or as_text(as_object(value).get("value")) for value in values]
    if text := next(filter(None, texts), ""):
        return text
    if kind in _TEXT_KINDS:
        return ""
    name = part.get("name") or part.get("filename") or part.get("file_name")
    if is_call(kind):
        return placeholder("tool call", name) if shows_calls else ""
    label = _LABELS.get(kind, kind.removesuffix("_url")) or "attachment"
    return placeholder(label, name or as_object(part.get("file")).get("filename"))
