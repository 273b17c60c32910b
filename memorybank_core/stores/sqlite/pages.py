"""Find the unused gaps in the pages of a SQLite file (sqlite.org/fileformat2.html, 1.3 and 1.6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

HEADER = 100  # bytes at the start of the file, before the b-tree header of its first page
_TREE = (2, 5, 10, 13)  # the first byte of the b-tree pages; 2 and 5 are inner ones
_MAX_PAGES = (
    2**25
)  # with fewer, the page number at the start of any other page has a first byte of 0


def page_size(header: bytes) -> int:
    """Return the size of a page in bytes, from the header of the file."""
    size = int.from_bytes(header[16:18], "big")
    return 2**16 if size == 1 else size


def is_plain(header: bytes, length: int) -> bool:
    """Return whether the first byte of every page tells if it is a b-tree page.

    False if the file has a map of its pages (auto_vacuum) or reserved bytes at the end of each
    page, if it is not in WAL mode, and if it is too long.
    """
    usual = header[18:21] == b"\2\2\0" and not any(header[52:56])
    return usual and length < _MAX_PAGES * page_size(header)


def gaps(pages: bytes, size: int, *, first: bool) -> list[tuple[int, int]]:
    """Return start and end of every gap that is not all zero.

    A gap is between the pointers to the cells of a b-tree page and its cells.

    Args:
        pages: Consecutive pages.
        size: Bytes of a page.
        first: Whether they begin with the first page of the file.
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
    bounds = zip(
        (offsets + starts[has_gap]).tolist(), (offsets + ends[has_gap]).tolist(), strict=True
    )
    zeros = bytes(size)
    return [
        (start, end) for start, end in bounds if not pages.startswith(zeros[: end - start], start)
    ]


def _uint16(headers: NDArray[np.int64], at: int) -> NDArray[np.int64]:
    both: NDArray[np.int64] = headers[:, at] * 256 + headers[:, at + 1]
    return both
