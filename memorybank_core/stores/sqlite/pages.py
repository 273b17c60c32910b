"""Find the unused gaps in the pages of a SQLite file (sqlite.org/fileformat2.html, 1.3 and 1.6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEADER = 100  # bytes at the start of the file, before the b-tree header of its first page
_TREE = (2, 5, 10, 13)  # the first byte of the b-tree pages; 2 and 5 are inner ones
_MAX_PAGES = 2**25
"""With fewer pages, the first byte of every page that is not a b-tree page is 0."""


def page_size(header: bytes) -> int:
    """Return the size of a page in bytes, from the header of the file."""
    size = int.from_bytes(header[16:18], "big")
    return 2**16 if size == 1 else size


def is_plain(header: bytes, length: int) -> bool:
    """Return whether the b-tree pages of the file can be recognized by their first byte.

    False if the file has pointer-map pages (auto_vacuum) or reserved bytes at the end of each page,
    is not in WAL mode, or is too long.
    """
    has_usual_layout = header[18:21] == b"\2\2\0" and not any(header[52:56])
    return has_usual_layout and length < _MAX_PAGES * page_size(header)


def find_gaps(pages: bytes, size: int, *, first: bool) -> list[tuple[int, int]]:
    """Return start and end of every gap that is not all zero.

    A gap is between the pointers to the cells of a b-tree page and its cells.

    Args:
        pages: Consecutive pages.
        size: Bytes of a page.
        first: Whether the pages begin with the first page of the file.
    """
    table = np.frombuffer(pages, np.uint8).reshape(-1, size)
    headers = table[:, :8].astype(np.int64)
    heads = np.where(headers[:, 0] < 8, 12, 8)
    if first:
        headers[0] = table[0, HEADER : HEADER + 8]
        heads[0] = HEADER + (12 if headers[0, 0] < 8 else 8)
    starts, ends = heads + 2 * _uint16(headers, 3), _uint16(headers, 5)
    ends[ends == 0] = 2**16
    has_gap = np.isin(headers[:, 0], _TREE) & (starts < ends) & (ends <= size)
    offsets = np.flatnonzero(has_gap) * size
    ranges = zip(
        (offsets + starts[has_gap]).tolist(), (offsets + ends[has_gap]).tolist(), strict=True
    )
    zeros = bytes(size)
    return [
        (start, end) for start, end in ranges if not pages.startswith(zeros[: end - start], start)
    ]


def _uint16(headers: NDArray[np.int64], column: int) -> NDArray[np.int64]:
    values: NDArray[np.int64] = headers[:, column] * 256 + headers[:, column + 1]
    return values
