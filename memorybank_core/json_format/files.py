"""JSON files: read with a clear word on what is wrong, written whole or not at all."""

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

from .fields import shortened


def load(path: str | PathLike[str]) -> dict[str, Any]:
    """The object in the JSON file `path`, its entries unchecked.

    Raises:
        FormatError: It cannot be read, is no JSON (says where), or no object.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
        data = json.loads(text, object_pairs_hook=_distinct)
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FormatError(f"{path} is no JSON: {error.msg} ({place})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} cannot be taken as JSON in UTF-8: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{path}: got {shortened(data)}, expected an object with a key per user")
    return data


def dump(data: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Writes `data` as JSON in UTF-8, whole or not at all, readable by its owner only.

    Raises:
        StoreWriteError: It cannot be written; a file that was there is as it was.
    """
    text = without_surrogates(json.dumps(data, ensure_ascii=False, indent=1)) + "\n"
    try:
        target = Path(path).resolve()  # what a link points at is replaced, not the link
        if target.exists() and not target.is_file():
            raise StoreWriteError(f"cannot write {path}: that is no file. Choose another path.")
        _replace(target, text.encode())
    except OSError as error:
        raise StoreWriteError(
            f"cannot write {path}: {error.strerror}. Choose a folder that exists and is writable."
        ) from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, which must not lose a value to a second one of the same key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _replace(target: Path, content: bytes) -> None:
    """Puts a file with `content` in the place of `target`, in one step."""
    file, name = tempfile.mkstemp(dir=target.parent, prefix=".memorybank-", suffix=".json")
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
