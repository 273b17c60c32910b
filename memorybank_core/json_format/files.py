"""Read and write JSON files: clear errors on reading, atomic writes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from memorybank_core.errors import FormatError, StoreWriteError
from memorybank_core.text import without_surrogates

from .fields import short_repr


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """Return the object in the JSON file `path`; its entries are not checked.

    Raises:
        FormatError: If the file cannot be read, or does not contain a JSON object. The message
            names the line and column of a syntax error.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        data = json.loads(text, object_pairs_hook=_require_unique_keys)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"{path} is not valid JSON: {error.msg} ({place})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be read as JSON in UTF-8: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: got {short_repr(data)}, expected an object with a key per user")
    return data


def dump(data: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Write `data` as JSON in UTF-8, atomically; the file is readable by its owner only.

    Raises:
        StoreWriteError: If the file cannot be written; an existing file is left unchanged.
    """
    text = without_surrogates(json.dumps(data, ensure_ascii=False, indent=1)) + "\n"
    try:
        target = Path(path).resolve()  # replace the target of a link, not the link
        if target.exists() and not target.is_file():
            raise StoreWriteError(f"cannot write {path}: not a regular file. Choose another path.")
        _replace(target, text.encode())
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror}. Choose an existing, writable folder."
        ) from error


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raise ValueError if it has a key twice."""
    data = dict(pairs)
    if len(data) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in data if keys.count(key) > 1)
        raise ValueError(f"the key {duplicate!r} appears twice in one object")
    return data


def _replace(target: Path, content: bytes) -> None:
    """Replace `target` atomically by a file with `content`."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".memorybank-", suffix=".json")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
