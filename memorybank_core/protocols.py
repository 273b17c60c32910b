"""The seams: what an embedder, a language model and a store must offer, and no more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .forgetting import ForgettingLaw
from .records import Digest, Kind, Memory
from .reports import DeletionReceipt, Stats
from .search.dates import DayRange

Vector = npt.NDArray[np.float32]  # shape (d,)
Matrix = npt.NDArray[np.float32]  # shape (n, d)
Array = npt.NDArray[Any]


@runtime_checkable
class Embedder(Protocol):
    """Turns text into vectors of unit length."""

    @property
    def name(self) -> str:
        """Identifies the vectors: two embedders of one name must give the same ones."""
        ...

    @property
    def dimension(self) -> int:
        """d, the length of every vector."""
        ...

    def embed_documents(self, texts: list[str]) -> Matrix:
        """float32, shape (len(texts), d), rows of unit length."""
        ...

    def embed_query(self, text: str) -> Vector:
        """float32, shape (d,), unit length."""
        ...


class LLM(Protocol):
    """A language model that answers a conversation.

    It may also have a `name` (a string, which the digests that it wrote bear), a `context_window`
    (how many tokens it reads and writes in all) and `count_tokens(text) -> int`.
    """

    def complete(
        self,
        messages: Sequence[Mapping[str, str]],
        *,
        max_tokens: int | None = None,
        stop: Sequence[str] | None = None,
    ) -> str:
        """The whole answer to `messages`, pairs of "role" and "content"; maybe a `Completion`.

        Raises:
            ContextOverflowError: The messages are longer than the model reads.
            AnswerError: The answer is empty, a refusal, or was cut off.
            LLMError: The model failed otherwise.
        """
        ...


class Completion(str):
    """An answer that knows how many tokens it took, those of the prompt included.

    Attributes:
        tokens: How many; None where unknown.
    """

    __slots__ = ("tokens",)

    def __new__(cls, text: str, tokens: int | None = None) -> Completion:
        answer = super().__new__(cls, text)
        answer.tokens = tokens
        return answer

    tokens: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which memories a search or a listing may see; None means all."""

    since: date | None = None
    until: date | None = None
    kind: Kind | None = None
    session: str | None = None
    archived: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """A search, as the store sees it.

    Attributes:
        vector: The query's embedding, float32 (d,).
        terms: The query's terms, as `text.tokenize` gives them.
        days: The days that the query names.
        filter: Which memories may be found.
        pool: How many candidates each signal brings at most.
        least: How many at least; in between, a quarter of the user's memories.
        reach: How many utterances away a memory is still a neighbour.
    """

    vector: Vector
    terms: Sequence[str]
    days: Sequence[DayRange]
    filter: Filter
    pool: int
    least: int
    reach: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a store found for a probe: columns of equal length n, in no particular order.

    Attributes:
        key: int64; what `MemoryStore.fetch` takes, and the order of writing.
        similarity: float64; cosine to the query, the best of the memory's windows.
        lexical: float64; BM25 with this user's term statistics.
        pooled: bool; found by a signal (True) or only as a neighbour of one that was.
        named: int64; days of the shortest span that the query names and it lies in, 0 if in none.
        spoken: bool; said by the one speaker whom the query names.
        session: int64; equal within one conversation, negative for an event summary.
        place: int64; where in its conversation it stands, counted in utterances.
        created: float64; seconds since 1970.
        refreshed: float64; the later of creation and last recall, seconds since 1970; infinite
            for what is pinned.
        strength: float64; S of the law.
    """

    key: Array
    similarity: Array
    lexical: Array
    pooled: Array
    named: Array
    spoken: Array
    session: Array
    place: Array
    created: Array
    refreshed: Array
    strength: Array


@dataclass(frozen=True, slots=True)
class Stored:
    """All that a store has of a memory: what moves from one store to another.

    Attributes:
        key: Its place in the order of writing, in this store.
        memory: The memory.
        vectors: Of its windows, float32 (windows, d).
        recalls: When it was recalled and in which turn, oldest first.
    """

    key: int
    memory: Memory
    vectors: Matrix
    recalls: Sequence[tuple[datetime, str | None]]


Namespace = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A value under a key: no memory, so it neither fades nor is digested.

    Attributes:
        namespace: Where it is: any strings, one or more.
        key: Its name there.
        value: JSON.
        created_at: When the key was first written.
        updated_at: When it was last written.
        ttl: Minutes without a read or a write until it expires; None for never.
        fields: Which parts of the value a search compares, in the caller's own terms.
    """

    namespace: Namespace
    key: str
    value: str
    created_at: datetime
    updated_at: datetime
    ttl: float | None = None
    fields: Sequence[str] = ()


class ItemStore(Protocol):
    """Values under keys in namespaces. An expired item is as good as gone at once.

    A prefix is the beginning of a namespace, label by label; () is every namespace. Each writing
    call is one durable transaction.
    """

    def get(self, namespace: Namespace, key: str, now: datetime) -> Item | None:
        """The item of a key."""
        ...

    def search(
        self,
        prefix: Namespace,
        now: datetime,
        *,
        vector: Vector | None = None,
        accepts: Callable[[str], bool] | None = None,
        limit: int = 10,
        offset: int = 0,
    ) -> list[tuple[Item, float | None]]:
        """The items whose value `accepts` lets pass, with scores; the last updated first.

        With a `vector` those that are nearest to it come first; their score is the best cosine of
        their vectors. The others follow, with None.
        """
        ...

    def namespaces(self, prefix: Namespace, now: datetime) -> list[Namespace]:
        """Every namespace that has an item."""
        ...

    def write(
        self,
        items: Sequence[Item],
        vectors: Sequence[Matrix | None],
        deleted: Collection[tuple[Namespace, str]],
        now: datetime,
    ) -> bool:
        """Stores items, each in the place of one of its key, and erases others for good.

        An item that is written anew keeps its `created_at`. What has expired is dropped. Returns
        False where something kept the bytes of the deleted from being erased now.
        """
        ...

    def refresh(self, items: Sequence[Item], now: datetime) -> None:
        """Lets the time to live of items start anew."""
        ...

    def unembedded(self, prefix: Namespace, now: datetime) -> list[Item]:
        """Items with `fields` whose vectors are missing, as after a change of the embedder."""
        ...

    def set_vectors(self, items: Sequence[Item], vectors: Sequence[Matrix]) -> None:
        """Stores vectors of items; of one that was written meanwhile, nothing."""
        ...


StateChange = Literal["archive", "restore", "pin", "unpin"]
"""A change of the state of memories; see `MemoryStore.change_state`."""


class MemoryStore(Protocol):
    """Where memories live and are searched. Every call names one user.

    Each writing call is one durable transaction: when it returns, the change is on disk; when
    it raises, nothing of it is.
    """

    @property
    def items(self) -> ItemStore:
        """Values under keys, beside the memories."""
        ...

    def known(self, user_id: str, ids: Collection[str]) -> dict[str, Memory]:
        """Those of `ids` that exist, archived ones included."""
        ...

    def add(
        self,
        user_id: str,
        memories: Sequence[Memory],
        vectors: Sequence[Matrix],
        *,
        replace: bool = False,
        recalled: Mapping[str, Sequence[datetime]] | None = None,
    ) -> None:
        """Stores memories, of distinct ids, with the vectors of their windows.

        `recalled` has, by id, when new memories were recalled before. With `replace`, a memory
        of a known id takes that one's place and keeps its strength, recalls and archive.

        Raises:
            ConflictError: An id is taken and `replace` is False.
        """
        ...

    def candidates(self, user_id: str, probe: Probe) -> Candidates:
        """The memories that may answer `probe`, and their neighbours."""
        ...

    def fetch(self, user_id: str, keys: Sequence[int]) -> dict[int, Memory]:
        """The memories of these candidate keys; what is gone meanwhile is left out."""
        ...

    def memories(self, user_id: str, filter: Filter, *, last: int | None = None) -> list[Memory]:
        """Memories in the order of their time, all or the `last` so many of them.

        `filter.archived` adds the archived ones.
        """
        ...

    def span(self, user_id: str) -> tuple[date, date] | None:
        """The days of the first and the last memory, or None if there is none."""
        ...

    def strengthen(
        self,
        user_id: str,
        ids: Collection[str],
        now: datetime,
        turn: str | None,
        law: ForgettingLaw,
    ) -> int:
        """Recalls memories: each grows stronger by `law` and starts to fade anew at `now`.

        What `turn` has recalled before is left as it is. Returns how many were strengthened.
        """
        ...

    def change_state(
        self, user_id: str, ids: Collection[str], change: StateChange, now: datetime
    ) -> int:
        """Archive, restore, pin or unpin memories; return how many changed.

        - "archive": active memories are archived as of `now`, except for pinned ones.
        - "restore": archived memories become active and fade from `now`.
        - "pin": memories no longer fade; archived ones become active.
        - "unpin": pinned memories fade from `now`.
        """
        ...

    def recalls(self, user_id: str, id: str) -> list[datetime]:
        """When a memory was recalled, oldest first."""
        ...

    def delete(
        self, user_id: str, *, ids: Collection[str] | None = None, day: date | None = None
    ) -> DeletionReceipt:
        """Erases memories for good: these ids, this day, or everything of the user.

        What was derived from an erased turn goes with it: the event summaries and digests of its
        day, and the overall ones. With an event go the summaries of its day and overall.
        """
        ...

    def vectors(self, user_id: str, ids: Collection[str]) -> dict[str, Matrix]:
        """The vectors of the windows of those memories that exist, by id; float32 (windows, d)."""
        ...

    def scan(self, user_id: str, *, after: int = 0, limit: int = 256) -> list[Stored]:
        """All of the memories that were written after a key, in that order, so many at most."""
        ...

    def put(self, user_id: str, stored: Sequence[Stored]) -> None:
        """Stores memories, of distinct ids, with all that another store had of them.

        One of a known id takes that one's place, strength and recalls included. Keys are new.
        """
        ...

    def set_digests(
        self,
        user_id: str,
        digests: Sequence[Digest],
        *,
        made_from: Sequence[Memory | Digest] = (),
        events: Sequence[Memory] = (),
        vectors: Sequence[Matrix] = (),
    ) -> None:
        """Stores digests, each in the place of one of its kind and day.

        With them go the `events`, memories by which they are found, and the vectors of their
        windows; an event takes the place of another text of its id, as in `add`.

        Raises:
            ConflictError: Something that they were `made_from` is gone or has other words now.
        """
        ...

    def digests(self, user_id: str, *, days: bool = True) -> list[Digest]:
        """The user's digests: by kind, then by day, the overall ones first, or those alone."""
        ...

    def set_profile(self, user_id: str, profile: str) -> None:
        """Stores what is known of the user beside the dialogue, as JSON."""
        ...

    def profile(self, user_id: str) -> str:
        """What `set_profile` stored; "{}" where nothing was."""
        ...

    def users(self) -> Iterator[str]:
        """Every user id, sorted."""
        ...

    def stats(self, user_id: str | None = None) -> Stats:
        """Counts over one user or, with None, over all."""
        ...

    def compact(self) -> bool:
        """Gives back the room of what was deleted; False where a reader kept it from that."""
        ...

    def close(self) -> None:
        """Releases what the store holds; a second call does nothing."""
        ...


class StoreBackend(Protocol):
    """The functions of a kind of store: what the module behind an entry point offers.

    The entry point belongs to the group "memorybank.stores". Its name is the scheme of the URLs
    that the module opens, or "file" for paths.
    """

    def open_store(
        self, location: str, /, *, embedder: str, dimension: int, **options: Any
    ) -> MemoryStore:
        """Open the bank at `location`, or create it.

        Raises:
            EmbedderMismatchError: If another embedder wrote its vectors.
            StoreError: If it cannot be opened.
        """
        ...

    def stored_embedder(self, location: str, /) -> tuple[str, int] | None:
        """Return name and dimension of the embedder that wrote a bank; None if there is no bank.

        Raises:
            StoreError: If a server cannot be reached, or what is stored there is not a bank.
        """
        ...

    def reembed(
        self,
        location: str,
        embedder: Embedder,
        progress: Callable[[int], None] | None,
        timeout: float,
        /,
    ) -> int:
        """Embed every memory of a bank with another embedder; return how many.

        Args:
            location: The path or URL.
            embedder: The new embedder.
            progress: Called with the number of memories just embedded.
            timeout: Seconds to wait for other writers or for a server.

        Raises:
            ConfigurationError: If there is no bank.
            EmbedderError: If the embedder returned unusable vectors; the bank is unchanged.
        """
        ...
