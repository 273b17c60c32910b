"""Incremental reading of JSON: one value at a time, in memory that does not grow with the file.

`json.load` holds a whole file, about four times its size. Here the members of the outer lists and
objects are cut out of the bytes and parsed one by one. A member that is not valid JSON is returned
as a fault, and reading continues behind it.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

CHUNK = 262_144
"""Number of bytes read at a time."""
MAX_BYTES = 67_108_864
"""Maximum size of one value, in bytes; a larger one is a fault."""
MAX_NESTING = 200
"""Maximum number of lists and objects around a value."""

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*("?)'
_SIGNS = re.compile(rb"([{\[])|([}\]])|([,:])|" + _STRING, re.DOTALL)
_BRACKETS = re.compile(rb"([{\[])|([}\]])|" + _STRING, re.DOTALL)
_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*("?)', re.DOTALL)
BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, with which some programs begin a file."""
NOT_UTF8 = "it is not UTF-8: convert the file, for example with iconv -f gb18030 -t utf-8"
_REPLACED = "\ufffd"
_TOLERATED = 10
"""Number of valid characters outside ASCII to each wrong one; in other encodings it is about 1."""


@dataclass(frozen=True, slots=True)
class JsonValue:
    """One value of a file.

    Attributes:
        number: Its number in the file, from 1.
        keys: Keys of the outer objects that it is in.
        data: The value; None if there is a fault.
        fault: The reason why it cannot be read; "" if it can.
    """

    number: int
    keys: tuple[str, ...]
    data: Any = None
    fault: str = ""


def read_values(file: BinaryIO, *, depth: int = 1) -> Iterator[JsonValue]:
    """Yield the members of the outer containers of a JSON file.

    Args:
        file: The file, in UTF-8.
        depth: Number of levels of lists and objects that are opened: with 1, the members of the
            outermost list; with 2, those of the lists and objects in it.
    """
    splitter = _Splitter(depth)
    is_first = True
    while chunk := file.read(CHUNK):
        if is_first:
            chunk, is_first = chunk.removeprefix(BOM), False
        yield from splitter.feed(chunk)
    yield from splitter.finish()


def read_lines(file: BinaryIO) -> Iterator[JsonValue]:
    """Yield the value of each line of a file with JSON lines; empty lines are skipped."""
    number = 0
    while line := file.readline(MAX_BYTES + 1):
        number += 1
        if len(line) > MAX_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(CHUNK)
            yield JsonValue(number, (), fault=_too_large())
        elif line := line.removeprefix(BOM).strip():
            yield _parse(number, (), line)


def read_whole(file: BinaryIO) -> Iterator[JsonValue]:
    """Yield a file as one value."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        yield JsonValue(1, (), fault=_too_large())
    else:
        yield _parse(1, (), data.removeprefix(BOM))


def is_other_encoding(head: bytes) -> bool:
    """Return whether the beginning of a JSON file is in another encoding than UTF-8.

    A few wrong bytes between many characters of UTF-8 are damage: only their values are faults.
    """
    if head.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        return True
    text = head.removeprefix(BOM).lstrip(b"\0 \t\r\n")
    if text[:1] not in (b"{", b"["):
        return False
    decoded = getincrementaldecoder("utf-8")("replace").decode(text)
    wrong = decoded.count(_REPLACED) - text.count(_REPLACED.encode())
    other = sum(not char.isascii() for char in decoded) - wrong if wrong else 0
    return wrong * _TOLERATED > other or b"\0" in head[:4]


@dataclass(slots=True)
class _Splitter:
    """Cuts JSON into the members of its outer containers, chunk by chunk.

    Attributes:
        depth: Number of levels of containers that are opened.
    """

    depth: int
    _open: int = 0  # number of containers around the current position
    _keys: list[str | None] = field(default_factory=list)  # of the opened containers' members
    _parts: list[bytes] = field(default_factory=list)  # of the current member
    _size: int = 0
    _deepest: int = 0
    _in_string: bool = False
    _escaped: bool = False  # the chunk ended within an escape sequence
    _number: int = 0

    def feed(self, chunk: bytes) -> Iterator[JsonValue]:
        """Yield the members that end in this chunk."""
        position = start = 0
        if self._in_string:
            match = _REST.match(chunk, int(self._escaped))
            if match is None or not match[1]:
                self._escaped = match is not None and match.end() < len(chunk)
                self._keep(chunk)
                return
            position, self._in_string = match.end(), False
        while not self._in_string and position < len(chunk):
            if self._open > self.depth:
                position = self._skip(chunk, position)
                continue
            match = _SIGNS.search(chunk, position)
            if match is None:
                break
            position = match.end()
            if match.lastindex == 1:
                if self._open < self.depth:
                    self._forget()
                    self._keys.append(None)
                    start = position
                self._open += 1
                self._deepest = max(self._deepest, self._open)
            elif match.lastindex == 2:
                if self._open <= self.depth:
                    yield from self._end_member(chunk[start : match.start()])
                    start = position
                    if self._keys:
                        self._keys.pop()
                self._open = max(self._open - 1, 0)
            elif match.lastindex == 3:
                if match[3] == b",":
                    yield from self._end_member(chunk[start : match.start()])
                else:
                    self._set_key(chunk[start : match.start()])
                start = position
            elif not match[4]:
                self._in_string, self._escaped = True, position < len(chunk)
        self._keep(chunk[start:])

    def _skip(self, chunk: bytes, position: int) -> int:
        """Return the end of a member that is a list or an object, or of the chunk."""
        level = self._open
        for match in _BRACKETS.finditer(chunk, position):
            kind = match.lastindex
            if kind == 1:
                level += 1
                if level > self._deepest:
                    self._deepest = level
            elif kind == 2:
                level -= 1
                if level == self.depth:
                    self._open = level
                    return match.end()
            elif not match[3]:
                self._in_string, self._escaped = True, match.end() < len(chunk)
                break
        self._open = level
        return len(chunk)

    def finish(self) -> Iterator[JsonValue]:
        """Yield a fault if the file ends within a value."""
        if self._open or self._in_string:
            self._number += 1
            yield JsonValue(self._number, self._path(), fault="the file ends here: it was cut off")

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= MAX_BYTES:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _forget(self) -> None:
        self._parts.clear()
        self._size = self._deepest = 0

    def _set_key(self, part: bytes) -> None:
        self._keep(part)
        value = _parse(0, (), b"".join(self._parts).strip())
        if self._keys:
            self._keys[-1] = value.data if isinstance(value.data, str) else "?"
        self._forget()

    def _end_member(self, part: bytes) -> Iterator[JsonValue]:
        self._keep(part)
        size, deepest = self._size, self._deepest - self._open
        text = b"".join(self._parts).strip()
        self._forget()
        if not text and size <= MAX_BYTES:
            return
        self._number += 1
        if size > MAX_BYTES:
            yield JsonValue(self._number, self._path(), fault=_too_large())
        elif deepest > MAX_NESTING:
            yield JsonValue(self._number, self._path(), fault="it is nested too deeply")
        else:
            yield _parse(self._number, self._path(), text)

    def _path(self) -> tuple[str, ...]:
        return tuple(key for key in self._keys if key is not None)


def _parse(number: int, keys: tuple[str, ...], text: bytes) -> JsonValue:
    try:
        return JsonValue(number, keys, json.loads(text.decode()))
    except UnicodeDecodeError:
        return JsonValue(number, keys, fault=NOT_UTF8)
    except RecursionError:
        return JsonValue(number, keys, fault="it is nested too deeply")
    except json.JSONDecodeError as error:
        return JsonValue(number, keys, fault=f"it is not valid JSON: {error.msg}")
    except ValueError as error:  # a number with thousands of digits
        return JsonValue(number, keys, fault=f"it cannot be read: {error}")


def _too_large() -> str:
    return f"it is larger than {MAX_BYTES // 2**20} MiB"
