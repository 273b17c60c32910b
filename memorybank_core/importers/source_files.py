"""Files of a source: a file, those of a folder, or the members of an archive."""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from memorybank_core.errors import FormatError

MAX_RATIO = 200
"""Maximum size of an unpacked file in relation to its packed size; text reaches about 20."""
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,  # an unknown compression
    RuntimeError,  # a password is needed
)

_UNCHECKED_BYTES = 268_435_456  # of an unpacked file, whatever the ratio
_MAX_DEPTH = 3  # of folders in a folder

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of a source.

    Attributes:
        size: Its size in bytes, unpacked; 0 if unknown.
        limit: Size beyond which it is not read.
        open: Opens it.
    """

    size: int
    limit: int
    open: Opener


def list_files(path: Path, cleanup: ExitStack) -> dict[str, SourceFile]:
    """Return the files of a folder or an archive by name; another file has the name "".

    Args:
        path: The file or folder.
        cleanup: Closes the archive.

    Raises:
        OSError: If it cannot be read.
        FormatError: If an archive unpacks too far.
    """
    if path.is_dir():
        files = {entry.relative_to(path).as_posix(): _plain(entry) for entry in _walk(path)}
    elif zipfile.is_zipfile(path):
        files = _list_zip(cleanup.enter_context(zipfile.ZipFile(path)))
    elif _starts_with(path, b"\x1f\x8b") or tarfile.is_tarfile(path):
        files = _list_tar(path, cleanup)
    else:
        files = {"": _plain(path)}
    return {name: file for name, file in files.items() if not _is_of_macos(name)}


def too_dense() -> str:
    """Return why a file that unpacks too far is not read."""
    return f"more than {MAX_RATIO} times its packed size, which no conversation has"


def _list_zip(archive: zipfile.ZipFile) -> dict[str, SourceFile]:
    return {
        info.filename: SourceFile(
            info.file_size, _limit(info.compress_size), cast(Opener, partial(archive.open, info))
        )
        for info in archive.infolist()
        if not info.is_dir()
    }


def _list_tar(path: Path, cleanup: ExitStack) -> dict[str, SourceFile]:
    """Return the members of a .tar or .tar.gz, or the one file of a .gz."""
    limit = _limit(path.stat().st_size)
    if not tarfile.is_tarfile(path):
        return {"": SourceFile(0, limit, cast(Opener, partial(gzip.open, path)))}
    archive = cleanup.enter_context(tarfile.open(path))  # noqa: SIM115
    files: dict[str, SourceFile] = {}
    unpacked = 0
    for member in archive:
        unpacked += member.size
        if unpacked > limit:
            raise FormatError(f"{path} unpacks to {unpacked:,} bytes: {too_dense()}")
        if member.isreg():
            opener = cast(Opener, partial(archive.extractfile, member))
            files[member.name] = SourceFile(member.size, limit, opener)
    return files


def _plain(path: Path) -> SourceFile:
    size = path.stat().st_size
    limit = max(size, _UNCHECKED_BYTES) * MAX_RATIO
    return SourceFile(size, limit, cast(Opener, partial(path.open, "rb")))


def _walk(folder: Path, depth: int = _MAX_DEPTH) -> Iterator[Path]:
    """Yield the files in a folder; links are not followed."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif depth and entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), depth - 1)


def _is_of_macos(name: str) -> bool:
    """Return whether a file has what macOS keeps next to another file of the same name."""
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith("._")


def _starts_with(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _limit(packed: int) -> int:
    return max(_UNCHECKED_BYTES, packed * MAX_RATIO)
