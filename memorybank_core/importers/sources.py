"""Sources of imports: a file, a folder, an archive or a database, opened for reading only.

Nothing is unpacked to the disk: members of an archive are read as streams.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone, tzinfo
from functools import cached_property, partial
from itertools import islice
from os import PathLike, fspath
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, TypeVar, cast

from memorybank_core.errors import FormatError
from memorybank_core.locations import is_url, without_password

from .databases import Database, open_database
from .json_stream import (
    BOM,
    NOT_UTF8,
    JsonValue,
    is_other_encoding,
    read_lines,
    read_values,
    read_whole,
)
from .source_files import ARCHIVE_ERRORS, SourceFile, list_files, too_dense

_SQLITE = b"SQLite format 3\0"

T = TypeVar("T")


class Source:
    """Files or database that are imported.

    Args:
        location: A file, which may be packed (.zip, .gz, .tar, .tar.gz) or a SQLite database; a
            folder; or the URL of a PostgreSQL database.
        zone: The time zone of times that name none.

    Attributes:
        location: The location, without a password.
        zone: The time zone of times that name none.
        total: Number of bytes of the files that are read; 0 until a reader has chosen them.
        done: Number of bytes read of them.

    Raises:
        FormatError: If it cannot be read.
    """

    def __init__(self, location: str | PathLike[str], *, zone: tzinfo = timezone.utc) -> None:
        self.location = without_password(fspath(location))
        self.zone = zone
        self.total = self.done = 0
        self._path = fspath(location)
        self._cleanup = ExitStack()
        self._files: dict[str, SourceFile] = {}
        try:
            if not is_url(self._path) and not self._is_sqlite():
                self._files = list_files(Path(self._path), self._cleanup)
        except OSError as error:
            raise FormatError(f"cannot read {self.location}: {error.strerror or error}") from error
        except ARCHIVE_ERRORS as error:
            raise FormatError(f"cannot unpack {self.location}: {error}") from error

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close files and connections."""
        self._cleanup.close()

    @cached_property
    def database(self) -> Database | None:
        """The database, if the source is one.

        Raises:
            FormatError: If it cannot be opened.
            MissingDependencyError: If the driver is not installed.
        """
        if not is_url(self._path) and not self._is_sqlite():
            return None
        return self._cleanup.enter_context(open_database(self._path))

    @property
    def modified(self) -> datetime | None:
        """Time at which the file or folder was changed; None for a server."""
        if is_url(self._path):
            return None
        return datetime.fromtimestamp(Path(self._path).stat().st_mtime, timezone.utc)

    @property
    def size(self) -> int:
        """Number of bytes of all files, unpacked; 0 for a database."""
        return sum(file.size for file in self._files.values())

    def find(self, pattern: str) -> list[str]:
        """Return the files whose name matches a regular expression as a whole, sorted.

        A source that is one file has it under the name "", which every pattern matches.
        """
        names = [
            name
            for name in self._files
            if not name or re.fullmatch(pattern, PurePosixPath(name).name)
        ]
        return sorted(names, key=_natural_order)

    def choose(self, pattern: str) -> list[str]:
        """Return the files of `find`, and count their bytes as those that are read."""
        names = self.find(pattern)
        self.total = sum(self._files[name].size for name in names)
        self.done = 0
        return names

    def values(self, name: str, *, depth: int = 1) -> Iterator[JsonValue]:
        """Yield the values of a JSON file, as `read_values`."""
        yield from self._read(name, partial(read_values, depth=depth))

    def lines(self, name: str) -> Iterator[JsonValue]:
        """Yield the values of a file with JSON lines, as `read_lines`."""
        yield from self._read(name, read_lines)

    def text_lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a text file in UTF-8, without line breaks.

        Raises:
            FormatError: If it is not UTF-8.
        """
        with self._open(name) as file:
            try:
                for line in io.TextIOWrapper(file, "utf-8-sig"):
                    yield line.rstrip("\n")
            except UnicodeDecodeError as error:
                raise FormatError(f"{self._label(name)}: {NOT_UTF8}") from error

    def whole(self, name: str) -> JsonValue:
        """Return a JSON file as one value."""
        return next(self._read(name, read_whole))

    def read_bytes(self, name: str) -> bytes:
        """Return a file as it is."""
        with self._open(name) as file:
            return file.read()

    def peek(self, name: str, *, depth: int = 1) -> Iterator[JsonValue]:
        """Yield the values of a JSON file as `values`, without counting what is read."""
        done = self.done
        try:
            yield from self.values(name, depth=depth)
        finally:
            self.done = done

    def first(self, name: str, *, depth: int = 1, count: int = 20) -> list[JsonValue]:
        """Return the first values of a JSON file, to recognize its format."""
        done, values = self.done, []
        for value in self.peek(name, depth=depth):
            values.append(value)
            if len(values) == count or self.done > done + 2**26:
                break
        return values

    def first_lines(self, name: str, count: int) -> list[JsonValue]:
        """Return the values of the first lines of a file with JSON lines."""
        done = self.done
        values = list(islice(self.lines(name), count))
        self.done = done
        return values

    def head(self, name: str, size: int = 65_536) -> bytes:
        """Return the first bytes of a file."""
        done = self.done
        try:
            with self._open(name) as file:
                return file.read(size)
        finally:
            self.done = done

    def first_sign(self, name: str) -> bytes:
        """Return the first byte of a text file that is not space; b"" for an empty file."""
        return self.head(name).removeprefix(BOM).lstrip()[:1]

    def _read(self, name: str, read: Callable[[BinaryIO], Iterator[T]]) -> Iterator[T]:
        with self._open(name) as file:
            if is_other_encoding(file.peek()):
                raise FormatError(f"{self._label(name)}: {NOT_UTF8}")
            yield from read(cast(BinaryIO, file))

    def _label(self, name: str) -> str:
        return f"{self.location}, {name}" if name else self.location

    def _open(self, name: str) -> io.BufferedReader:
        listed, label = self._files[name], self._label(name)
        if listed.size > listed.limit:
            raise FormatError(f"{label} unpacks to {listed.size:,} bytes: {too_dense()}")
        try:
            file = listed.open()
        except OSError as error:
            raise FormatError(f"cannot read {label}: {error.strerror or error}") from error
        except ARCHIVE_ERRORS as error:
            raise FormatError(f"cannot unpack {label}: {error}") from error
        return io.BufferedReader(_CountedFile(file, self, label, listed.limit), 2**18)

    def _is_sqlite(self) -> bool:
        path = Path(self._path)
        if is_url(self._path) or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE


class _CountedFile(io.RawIOBase):
    """A file that adds what is read to `Source.done`, with errors as ours and a limit."""

    def __init__(self, file: BinaryIO, source: Source, label: str, limit: int) -> None:
        self._file, self._source, self._label, self._limit = file, source, label, limit
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(len(buffer))
        except OSError as error:
            reason = error.strerror or str(error)
            raise FormatError(f"cannot read {self._label}: {reason}") from error
        except ARCHIVE_ERRORS as error:
            raise FormatError(f"cannot unpack {self._label}: {error}") from error
        buffer[: len(data)] = data
        self._read += len(data)
        self._source.done += len(data)
        if self._read > self._limit:
            raise FormatError(f"{self._label} unpacks to over {self._limit:,} bytes: {too_dense()}")
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _natural_order(name: str) -> list[Any]:
    """Return a key that sorts conversations-2.json before conversations-10.json."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]
