"""Sources of imports: a file, a folder, an archive or a database, opened for reading only.

Nothing is unpacked to the disk: members of an archive are read as streams.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone, tzinfo
from functools import cached_property, partial
from os import PathLike, fspath
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, BinaryIO, cast

from memorybank_core.errors import FormatError
from memorybank_core.locations import is_url, without_password

from .databases import Database, open_database
from .json_stream import BOM, JsonValue, read_lines, read_values

MAX_RATIO = 200
"""Maximum size of an unpacked file in relation to its packed size; text reaches about 20."""
_UNCHECKED_BYTES = 268_435_456  # of an unpacked file, whatever the ratio
_MAX_DEPTH = 3  # of folders in a folder
_SQLITE = b"SQLite format 3\0"
_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # a password is needed
)

Opener = Callable[[], BinaryIO]


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
        self._files: dict[str, tuple[int, int, Opener]] = {}  # size, limit, how to open it
        try:
            self._list_files()
        except OSError as error:
            raise FormatError(f"cannot read {self.location}: {error.strerror or error}") from error
        except _ARCHIVE_ERRORS as error:
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
        return sum(size for size, _, _ in self._files.values())

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
        self.total = sum(self._files[name][0] for name in names)
        self.done = 0
        return names

    def values(self, name: str, *, depth: int = 1) -> Iterator[JsonValue]:
        """Yield the values of a JSON file, as `read_values`."""
        yield from self._read(name, partial(read_values, depth=depth))

    def lines(self, name: str) -> Iterator[JsonValue]:
        """Yield the values of a file with JSON lines, as `read_lines`."""
        yield from self._read(name, read_lines)

    def head(self, name: str, size: int = 65_536) -> bytes:
        """Return the first bytes of a file."""
        done, total = self.done, self.total
        try:
            with self._open(name) as file:
                return file.read(size)
        finally:
            self.done, self.total = done, total

    def first_sign(self, name: str) -> bytes:
        """Return the first byte of a text file that is not space; b"" for an empty file."""
        return self.head(name).removeprefix(BOM).lstrip()[:1]

    def first(self, name: str, *, depth: int = 1, count: int = 20) -> list[JsonValue]:
        """Return the first values of a JSON file, to recognize its format."""
        done, values = self.done, []
        for value in self.values(name, depth=depth):
            values.append(value)
            if len(values) == count or self.done > done + 2**26:
                break
        self.done = done
        return values

    def _read(
        self, name: str, read: Callable[[BinaryIO], Iterator[JsonValue]]
    ) -> Iterator[JsonValue]:
        with self._open(name) as file:
            yield from read(file)

    def _open(self, name: str) -> BinaryIO:
        size, limit, opener = self._files[name]
        label = f"{self.location}, {name}" if name else self.location
        if size > limit:
            raise FormatError(f"{label} unpacks to {size:,} bytes: {_too_dense()}")
        try:
            file = opener()
        except OSError as error:
            raise FormatError(f"cannot read {label}: {error.strerror or error}") from error
        except _ARCHIVE_ERRORS as error:
            raise FormatError(f"cannot unpack {label}: {error}") from error
        return cast(BinaryIO, io.BufferedReader(_CountedFile(file, self, label, limit), 2**18))

    def _list_files(self) -> None:
        path = Path(self._path)
        if is_url(self._path) or self._is_sqlite():
            return
        if path.is_dir():
            self._files = {
                entry.relative_to(path).as_posix(): _plain(entry) for entry in _walk(path)
            }
        elif zipfile.is_zipfile(path):
            archive = self._cleanup.enter_context(zipfile.ZipFile(path))
            for info in archive.infolist():
                if not info.is_dir():
                    opener = cast(Opener, partial(archive.open, info))
                    limit = _limit(info.compress_size)
                    self._files[info.filename] = info.file_size, limit, opener
        elif _starts_with(path, b"\x1f\x8b") or tarfile.is_tarfile(path):
            self._list_packed(path)
        else:
            self._files = {"": _plain(path)}

    def _list_packed(self, path: Path) -> None:
        size = path.stat().st_size
        limit = _limit(size)
        if not tarfile.is_tarfile(path):
            self._files = {"": (0, limit, cast(Opener, partial(gzip.open, path)))}
            return
        archive = self._cleanup.enter_context(tarfile.open(path))  # noqa: SIM115
        unpacked = 0
        for member in archive:
            unpacked += member.size
            if unpacked > limit:
                raise FormatError(f"{self.location} unpacks to {unpacked:,} bytes: {_too_dense()}")
            if member.isreg():
                opener = cast(Opener, partial(archive.extractfile, member))
                self._files[member.name] = member.size, limit, opener

    def _is_sqlite(self) -> bool:
        path = Path(self._path)
        return not is_url(self._path) and path.is_file() and _starts_with(path, _SQLITE)


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
        except _ARCHIVE_ERRORS as error:
            raise FormatError(f"cannot unpack {self._label}: {error}") from error
        buffer[: len(data)] = data
        self._read += len(data)
        self._source.done += len(data)
        if self._read > self._limit:
            raise FormatError(
                f"{self._label} unpacks to over {self._limit:,} bytes: {_too_dense()}"
            )
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _plain(path: Path) -> tuple[int, int, Opener]:
    size = path.stat().st_size
    return size, max(size, _UNCHECKED_BYTES) * MAX_RATIO, cast(Opener, partial(path.open, "rb"))


def _walk(folder: Path, depth: int = _MAX_DEPTH) -> Iterator[Path]:
    """Yield the files in a folder; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif depth and entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), depth - 1)


def _starts_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _limit(packed: int) -> int:
    return max(_UNCHECKED_BYTES, packed * MAX_RATIO)


def _too_dense() -> str:
    return f"more than {MAX_RATIO} times its packed size, which no conversation has"


def _natural_order(name: str) -> list[Any]:
    """Return a key that sorts conversations-2.json before conversations-10.json."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]
