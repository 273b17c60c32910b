"""Read and write JSON files: clear errors on reading, atomic writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from memorybank_core.errors import FormatError
from memorybank_core.output_files import replaced
from memorybank_core.text import without_surrogates

from .fields import ITEMS, short_repr


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the object in the JSON file `path`; its entries are not checked.

    Raises:
        FormatError: If the file cannot be read, or does not contain a JSON object. The message
            names the line and column of a syntax error.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    return parse(content, str(path))


def parse(content: bytes, name: str) -> dict[str, Any]:
    """Return the object in the content of a JSON file, as `load`.

    Args:
        content: The content, in UTF-8.
        name: Name of the file, for errors.
    """
    try:
        data = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_require_unique_keys)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"{name} is not valid JSON: {error.msg} ({place})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{name} cannot be read as JSON in UTF-8: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{name}: got {short_repr(data)}, expected an object with a key per user")
    return data


def dump(
    data: Mapping[str, Any],
    path: str | PathLike[str],
    *,
    source: str | PathLike[str] | None = None,
) -> None:
    """Write `data` as JSON in UTF-8, atomically; the file is readable by its owner only.

    Args:
        data: The JSON.
        path: The file; an existing one is replaced, unless it is a memory bank or another database.
        source: The bank that `data` is from, which `path` must not be.

    Raises:
        StoreWriteError: If the file cannot be written; an existing file is left unchanged.
    """
    text = without_surrogates(json.dumps(data, ensure_ascii=False, indent=1)) + "\n"
    with replaced(path, source=source) as new:
        new.write_bytes(text.encode())


def is_export(path: str | PathLike[str]) -> bool:
    """Return whether a file is empty or was written by `export_json` and `dump`."""
    if not Path(path).stat().st_size:
        return True
    try:
        data = load(path)
    except FormatError:
        return False
    return all(isinstance(entry, Mapping) and _is_ours(entry) for entry in data.values())


def _is_ours(entry: Mapping[str, Any]) -> bool:
    """Return whether a user's entry has what only our exports have."""
    return any(isinstance(entry.get(name), list) for name in ("digests", ITEMS))


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raise ValueError if it has a key twice."""
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in data if keys.count(key) > 1)
        raise ValueError(f"the key {duplicate!r} appears twice in one object")
    return data
