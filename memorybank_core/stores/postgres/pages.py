"""Pages: consecutive memories of a user, packed as the search index needs them.

A page has two parts. `columns` is a header, one row of `ROW` per memory, the names of sessions and
speakers and the metadata as JSON, and the postings; its first byte is the version of this layout.
`vectors` is the vectors of all windows, float32. All numbers are little-endian. Layout 1, which had
no traits, no metadata and no version of the terms, is still read.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from memorybank_core.errors import SchemaTooNewError
from memorybank_core.protocols import Array
from memorybank_core.search.terms import TERMS_VERSION
from memorybank_core.stores.index.batch import CODED, NONE, IndexBatch, concatenate, recode
from memorybank_core.stores.index.bm25 import POSTING

PAGE_SIZE = 64
"""Maximum number of memories of a page."""
SMALL = 8
"""This many pages, each with fewer memories, are merged into one."""

_LAYOUT = 2
_HEADER = struct.Struct("<BBHI")  # layout, version of terms, number of memories, bytes of the names
_HEADER_1 = struct.Struct("<BHI")  # the same without the version of terms
_ROW_1 = np.dtype(
    [
        ("key", "<u4"),  # sequence number, relative to the page's first
        ("created", "<i8"),
        ("day", "<i4"),
        ("kind", "u1"),
        ("utterances", "u1"),
        ("session", "<i2"),
        ("speaker", "<i2"),
        ("windows", "<u4"),
        ("terms", "<u4"),
    ]
)
ROW = np.dtype([*_ROW_1.descr, ("asks", "u1"), ("flags", "<u2"), ("metadata", "<i2")])
"""The columns of a memory in a page; see `IndexBatch`."""
HEADER_NBYTES = _HEADER.size
"""`read_count` needs only this many bytes of `columns`, from its start."""
IS_OUTDATED = (
    "(get_byte(substring(columns FROM 1 FOR 2), 0) < 2 "
    f"OR get_byte(substring(columns FROM 1 FOR 2), 1) < {TERMS_VERSION})"
)
"""SQL of whether the terms and traits of a page are those of an older version."""
KEYS_NBYTES = _HEADER.size + PAGE_SIZE * ROW.itemsize
"""`read_keys` needs only this many bytes of `columns`, from its start."""


@dataclass(frozen=True, slots=True)
class Page:
    """A packed page.

    Attributes:
        first_seq: Lower bound of its sequence numbers: the first one when it was written.
        last_seq: Upper bound of its sequence numbers.
        columns: See the module.
        vectors: See the module.
    """

    first_seq: int
    last_seq: int
    columns: bytes
    vectors: bytes

    @property
    def terms_version(self) -> int:
        """The `TERMS_VERSION` of its terms and traits, or a lower one; 0 in layout 1."""
        return _read_header(self.columns).terms_version


def to_pages(
    batch: IndexBatch, first_seq: int | None = None, terms_version: int = TERMS_VERSION
) -> Iterator[Page]:
    """Pack a batch into pages.

    Args:
        batch: The memories.
        first_seq: The lower bound of all sequence numbers, by default the first.
        terms_version: The lowest version of their terms and traits.
    """
    positions = np.arange(len(batch))
    for start in range(0, len(batch), PAGE_SIZE):
        part = batch.select((positions >= start) & (positions < start + PAGE_SIZE))
        first = int(part.key[0]) if start or first_seq is None else first_seq
        yield pack(part, first, int(part.key[-1]), terms_version)


def pack(
    batch: IndexBatch, first_seq: int, last_seq: int, terms_version: int = TERMS_VERSION
) -> Page:
    """Pack a batch of at most `PAGE_SIZE` memories into a page with these bounds."""
    known: list[dict[str, int]] = [{}, {}, {}]
    rows = np.empty(len(batch), ROW)
    rows["key"] = batch.key - first_seq
    for (name, texts), codes in zip(CODED.items(), known, strict=True):
        rows[name] = recode(getattr(batch, name), getattr(batch, texts), codes)
    for name in ("created", "day", "kind", "utterances", "windows", "terms", "asks", "flags"):
        rows[name] = getattr(batch, name)
    names = json.dumps(list(map(list, known))).encode()
    header = _HEADER.pack(_LAYOUT, terms_version, len(batch), len(names))
    columns = b"".join((header, rows.tobytes(), names, batch.postings.tobytes()))
    return Page(first_seq, last_seq, columns, batch.vectors.astype("<f4", copy=False).tobytes())


def unpack(pages: Sequence[Page]) -> IndexBatch:
    """Return the batch of at least one page with memories, in this order.

    Raises:
        SchemaTooNewError: If a newer version of the package wrote one of them.
    """
    rows, postings, first_seqs = [], [], []
    coded = {name: _Names() for name in CODED}
    for page in pages:
        header = _read_header(page.columns)
        columns = memoryview(page.columns)
        end = header.start + header.memories * header.row.itemsize
        text = columns[end : end + header.names_nbytes].tobytes()
        rows.append(_to_rows(np.frombuffer(columns[header.start : end], header.row)))
        postings.append(columns[end + header.names_nbytes :])
        first_seqs += [page.first_seq] * header.memories
        in_pages = (*json.loads(text), [])  # layout 1 has no metadata
        for names, in_page in zip(coded.values(), in_pages, strict=False):
            names.add(in_page, header.memories)
    row = np.concatenate(rows)
    codes: dict[str, Any] = {}
    for name, texts in CODED.items():
        codes |= {name: coded[name].decode(row[name]), texts: tuple(coded[name].codes)}
    return IndexBatch(
        key=row["key"] + np.array(first_seqs, np.int64),
        created=row["created"].astype(np.int64),
        day=row["day"].astype(np.int32),
        kind=row["kind"].copy(),
        utterances=row["utterances"].copy(),
        asks=row["asks"].copy(),
        flags=row["flags"].astype(np.uint16),
        windows=row["windows"].astype(np.int32),
        terms=row["terms"].astype(np.int32),
        postings=np.frombuffer(b"".join(postings), POSTING),
        vectors=np.frombuffer(b"".join(page.vectors for page in pages), "<f4").reshape(
            int(row["windows"].sum()), -1
        ),
        **codes,
    )


def read_keys(page: Page) -> Array:
    """Return the sequence numbers of a page; its `columns` may end after `KEYS_NBYTES`."""
    header = _read_header(page.columns)
    rows = np.frombuffer(page.columns, header.row, header.memories, header.start)
    keys: Array = rows["key"] + np.int64(page.first_seq)
    return keys


def read_windows(page: Page) -> Array:
    """Return the number of vectors of each memory of a page."""
    header = _read_header(page.columns)
    rows = np.frombuffer(page.columns, header.row, header.memories, header.start)
    windows: Array = rows["windows"]
    return windows


def read_count(columns: bytes) -> int:
    """Return the number of memories of a page from the first `HEADER_NBYTES` of its columns."""
    return _read_header(columns).memories


class _Header(NamedTuple):
    """The header of a page.

    Attributes:
        terms_version: See `Page`.
        memories: Number of memories.
        names_nbytes: Size of the names in bytes.
        row: Type of the rows.
        start: Where the rows start.
    """

    terms_version: int
    memories: int
    names_nbytes: int
    row: np.dtype[Any]
    start: int


def _read_header(columns: bytes) -> _Header:
    """Return the header of a page of layout 1 or 2.

    Raises:
        SchemaTooNewError: If a newer version of the package wrote it.
    """
    if columns[0] == 1:
        _, count, names_nbytes = _HEADER_1.unpack_from(columns)
        return _Header(0, count, names_nbytes, _ROW_1, _HEADER_1.size)
    if columns[0] != _LAYOUT:
        raise SchemaTooNewError(
            f"a page has layout {columns[0]}; this version of memorybank knows {_LAYOUT}. Run: "
            "pip install --upgrade memorybank-llm"
        )
    _, terms_version, count, names_nbytes = _HEADER.unpack_from(columns)
    return _Header(terms_version, count, names_nbytes, ROW, _HEADER.size)


def _to_rows(rows: Array) -> Array:
    """Return rows of a page as `ROW`; those of layout 1 get traits of zero and no metadata."""
    if rows.dtype == ROW:
        return rows
    result = np.zeros(len(rows), ROW)
    for name in _ROW_1.names or ():
        result[name] = rows[name]
    result["metadata"] = NONE
    return result


def replace(batch: IndexBatch, new: IndexBatch) -> IndexBatch:
    """Return `batch` with the memories of `new` in place of those with the same number."""
    parts, after = [], -1
    for key in new.key:
        between = (batch.key > after) & (batch.key < key)
        parts += [batch.select(between), new.select(new.key == key)]
        after = key
    return concatenate([*parts, batch.select(batch.key > after)])


def find_mergeable(ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the first sequence numbers of the pages to merge, or [].

    These are the last eight pages if each is tiny; else all pages after the last full one, once
    they would fill a page. So a memory is rewritten about twice, and only neighbours are merged:
    the sequence numbers of one page are all smaller than those of the next.

    Args:
        ranges: First and last sequence number of the user's last pages, the last page first.
    """
    sizes = [last - first + 1 for first, last in ranges]
    tiny = _count_leading(size < SMALL for size in sizes)
    partial = _count_leading(size < PAGE_SIZE for size in sizes)
    if partial >= SMALL and sum(sizes[:partial]) >= PAGE_SIZE:
        return [first for first, _ in ranges[:partial]]
    return [first for first, _ in ranges[:tiny]] if tiny >= SMALL else []


def _count_leading(flags: Iterable[bool]) -> int:
    """Return how many flags are true before the first that is not."""
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count


class _Names:
    """The names of several pages, and the codes of their memories."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self._table: list[int] = []  # the code of each page's names, page after page
        self._starts: list[int] = []  # memory -> where the names of its page start in the table

    def add(self, names: Sequence[str], count: int) -> None:
        """Add the names of a page with `count` memories."""
        self._starts += [len(self._table)] * count
        self._table += [self.codes.setdefault(name, len(self.codes)) for name in names]

    def decode(self, codes: Array) -> Array:
        """Return the codes of all memories, given those in their pages."""
        table = np.array([*self._table, NONE], np.int32)
        decoded: Array = table[np.where(codes < 0, -1, codes + np.array(self._starts, np.int64))]
        return decoded
