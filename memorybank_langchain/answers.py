"""Text of a chain's answer, whatever type the chain returns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import AddableDict
from pydantic import BaseModel

from .inputs import find_new
from .messages import extract_text, is_content


class AnswerText:
    """Text of an answer that is added as a whole, or chunk by chunk as it is streamed.

    Strings, messages and content blocks count by their text. Other values, such as what a JSON
    parser returns, are written as JSON. Of a dictionary, the value at `output_key` is the answer;
    without it, the values that the chain did not get as its input, except for documents.

    Args:
        output_key: Key of the answer in a dictionary.
        inputs: Input of the chain.
    """

    def __init__(self, output_key: str, inputs: Mapping[str, Any]) -> None:
        self._output_key, self._inputs = output_key, inputs
        self._texts: list[str] = []
        self._value: Any = None

    def add(self, chunk: Any) -> None:
        """Add the answer or its next chunk."""
        value = chunk.get(self._output_key, chunk) if isinstance(chunk, Mapping) else chunk
        text = _find_text(value)
        if text is not None:
            self._texts.append(text)
        elif value is not None:
            self._value = _merge(self._value, value)

    @property
    def text(self) -> str:
        """Text of what was added; "" if nothing was."""
        if self._texts or self._value is None:
            return "".join(self._texts)
        value = self._value
        if isinstance(value, Mapping):
            new = {key: item for key, item in value.items() if self._is_new(key, item)}
            value = next(iter(new.values())) if len(new) == 1 else new
        text = _find_text(value)
        return _to_json(value) if text is None else text

    def _is_new(self, key: Any, value: Any) -> bool:
        """Return whether a value was made by the chain, and is not a list of documents."""
        is_input = key in self._inputs and self._inputs[key] == value
        items = value if isinstance(value, (list, tuple)) else [value]
        is_retrieved = bool(items) and all(isinstance(item, Document) for item in items)
        return not is_input and not is_retrieved


def extract_answer(value: Any) -> str:
    """Return the text of an input or output of a classic chain; "" for None."""
    answer = AnswerText("output", {})
    answer.add(value)
    return answer.text


def extract_query(value: Any) -> str:
    """Return the text of the user's message in an input of a classic chain; "" for None.

    Of messages, the last human ones are meant.
    """
    if isinstance(value, list) and any(isinstance(item, HumanMessage) for item in value):
        start, end = find_new(value)
        texts = map(extract_text, value[start:end])
        return "\n".join(text for text in texts if text.strip())
    return extract_answer(value)


def _find_text(value: Any) -> str | None:
    """Return the text of a string, content, a message or the last answer in a list, else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseMessage):
        return extract_text(value)
    if is_content(value):
        return extract_text(AIMessage(value))
    if isinstance(value, list) and value and all(isinstance(i, BaseMessage) for i in value):
        answers = (extract_text(item) for item in reversed(value) if isinstance(item, AIMessage))
        return next((text for text in answers if text.strip()), "")
    return None


def _merge(value: Any, chunk: Any) -> Any:
    """Return the value that a chunk continues.

    JSON parsers stream the whole value each time, a little longer; other chunks are added. Chunks
    of an `AddableDict` are merged by key, and their strings are always added.
    """
    if isinstance(value, AddableDict) and isinstance(chunk, AddableDict):
        merged = {key: _merge_item(value.get(key), item) for key, item in chunk.items()}
        return AddableDict({**value, **merged})
    if value is None or _to_json(chunk).startswith(_to_json(value).rstrip('"]} ')):
        return chunk
    try:
        return value + chunk
    except TypeError:
        return chunk


def _merge_item(value: Any, chunk: Any) -> Any:
    is_text = isinstance(value, str) and isinstance(chunk, str)
    return value + chunk if is_text else _merge(value, chunk)


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_to_plain)
    except (TypeError, ValueError):  # keys of other types, or a value that contains itself
        return str(value)


def _to_plain(value: Any) -> Any:
    """Return a value that JSON lacks as one that it has."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (set, frozenset)):
        return list(value)
    return str(value)
