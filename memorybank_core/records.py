"""Records: the frozen, typed values that a bank takes and returns, with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, get_args

from .change_records import Change as Change
from .digest_records import EXTRACTIVE as EXTRACTIVE
from .digest_records import Digest as Digest
from .digest_records import DigestKind as DigestKind
from .digest_records import Portrait as Portrait
from .digest_records import Summary as Summary
from .errors import InvalidInputError
from .metadata import NO_METADATA, UNREMEMBERED_ANSWER, Metadata, no_metadata, require_metadata
from .notebook import ShownAsTable, render_results
from .record_values import plain_fields, require_aware
from .search.score_strings import SCORE_STRINGS

Kind = Literal["turn", "event"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange between the user and the companion.

    Attributes:
        query: What the user said.
        response: The companion's answer. Either of the two may be empty, but not both.
        at: Time of the exchange, with a time zone; None means the time at which it is added.
        id: Id, unique per user; adding the same id and text again changes nothing. None derives
            an id from content and time.
        session: The conversation it belongs to; None means one conversation per day.
        user_name: Name of the speaker of `query`, if it matters for search.
        companion_name: Name of the speaker of `response`.
        metadata: Keys and JSON values of your own, such as {"agent": "coder"}; at most 16 KB. It
            is kept as a read-only copy. A search can select by it (`where`).

    Raises:
        InvalidInputError: If a field is not valid, or query and response are both empty.
    """

    query: str
    response: str = ""
    at: datetime | None = None
    id: str | None = None
    session: str | None = None
    user_name: str | None = None
    companion_name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=no_metadata)

    def __post_init__(self) -> None:
        text: Any
        for name, text in (("query", self.query), ("response", self.response)):
            if not isinstance(text, str):
                kind = type(text).__name__
                raise InvalidInputError(f"Turn.{name} must be a string, not {kind}")
        names: tuple[Any, ...] = (self.id, self.session, self.user_name, self.companion_name)
        for value in names:
            if value is not None and (not isinstance(value, str) or not value):
                name = ("id", "session", "user_name", "companion_name")[names.index(value)]
                raise InvalidInputError(f"Turn.{name} must be a non-empty string or None")
        if not self.query.strip() and not self.response.strip():
            raise InvalidInputError("a Turn needs a query or a response; both are empty")
        if self.at is not None:
            require_aware(self.at, "Turn.at")
        if not isinstance(self.metadata, Metadata):
            object.__setattr__(self, "metadata", require_metadata(self.metadata, "Turn.metadata"))

    @property
    def text(self) -> str:
        """The exchange as it is embedded and searched: one line per speaker."""
        query, response = self.query, self.response
        if query and self.user_name:
            query = f"{self.user_name}: {query}"
        if response and self.companion_name:
            response = f"{self.companion_name}: {response}"
        return f"{query}\n{response}" if query and response else query or response

    @property
    def answer(self) -> str:
        """The answer that the user saw: the response, or one that is not part of the memory.

        The latter is kept for the history only (`remember_answer` of `PendingTurn.complete`).
        """
        return self.response or str(self.metadata.get(UNREMEMBERED_ANSWER, ""))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Turn:
        """Return the turn of a dict made by `to_dict`."""
        at = data.get("at")
        return cls(**{**data, "at": None if at is None else datetime.fromisoformat(at)})


@dataclass(frozen=True, slots=True)
class Memory(ShownAsTable):
    """A stored memory, which can be searched: a turn, or the summary of a day's events.

    Attributes:
        id: Id, unique per user.
        user_id: The user.
        kind: "turn" or "event" (a daily event summary).
        text: The text that is embedded and searched.
        created_at: Time of the exchange, in UTC.
        day: Calendar day of `created_at` in the user's time zone.
        session: The conversation it belongs to.
        strength: S of the law of forgetting; 1.0 at first, grows with each recall.
        recalls: Number of recalls (`reinforce`).
        last_recalled_at: Time of the last recall, in UTC.
        archived_at: Time at which `forget` or `archive` archived it, in UTC; None if active.
        turn: The exchange, for kind "turn".
        pinned: Whether it is kept from fading: its retention is 1.
        replaced_by: Ids of the turns that replaced it, as a language model recorded
            (`find_changes`); known only in the results of a search.
    """

    id: str
    user_id: str
    kind: Kind
    text: str
    created_at: datetime
    day: date
    session: str
    strength: float = 1.0
    recalls: int = 0
    last_recalled_at: datetime | None = None
    archived_at: datetime | None = None
    turn: Turn | None = None
    pinned: bool = False
    replaced_by: tuple[str, ...] = field(default=(), compare=False)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the turn; an event summary has none."""
        return NO_METADATA if self.turn is None else self.turn.metadata

    @property
    def refreshed_at(self) -> datetime:
        """The time from which it fades: the later of creation and last recall."""
        return max(self.created_at, self.last_recalled_at or self.created_at)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Memory:
        """Return the memory of a dict made by `to_dict`."""
        moments = {
            name: None if data.get(name) is None else datetime.fromisoformat(data[name])
            for name in ("created_at", "last_recalled_at", "archived_at")
        }
        turn = data.get("turn")
        return cls(
            **{
                **data,
                **moments,
                "day": date.fromisoformat(data["day"]),
                "turn": None if turn is None else Turn.from_dict(turn),
                "replaced_by": tuple(data.get("replaced_by", ())),
            }
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a search score; their sum is the score.

    Attributes:
        similarity: Cosine to the query after centring, standardized over the candidates.
        lexical: BM25 with a share of its neighbours' words, standardized over the candidates.
        date: Bonus if the query names the memory's day.
        speaker: Bonus if the query names its speaker.
        context: Share of the scores of its neighbours in the conversation; below 0 for an event
            summary, so that it ranks after the turns it summarizes.
        retention: Weighted retention.
        asking: Penalty for what it asks rather than says.
        content: Bonus for its length, and for a time, a number or a preference if the query asks
            for one.
        reranker: Score of the reranker, standardized over the results that it read; 0 without one.
        answer: Below 0 for a turn that asked what the query asks and was not answered.
        change: Moves the newest of statements that replaced or repeated each other to the front.
    """

    similarity: float
    lexical: float
    date: float
    speaker: float
    context: float
    retention: float
    asking: float = 0.0
    content: float = 0.0
    reranker: float = 0.0
    answer: float = 0.0
    change: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the parts: the score."""
        match = self.similarity + self.lexical + self.date + self.speaker + self.context
        own = self.retention + self.asking + self.content
        return match + own + self.reranker + self.answer + self.change


@dataclass(frozen=True, slots=True)
class SupersededBy:
    """The newer memory that states a different value for the same attribute of the same subject.

    Attributes:
        id: Id of the newer memory.
        day: Its calendar day in the user's time zone.
    """

    id: str
    day: date


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A memory with its score and the parts of the score.

    Attributes:
        memory: The memory.
        score: The score; higher is better. Comparable only within one search.
        parts: The summands of the score.
        cosine: Cosine similarity to the query, in [-1, 1].
        retention: R of the law of forgetting at the search's `now`, in [0, 1].
        relevance: How likely the memory answers the query, in [0, 1]; comparable across searches.
        superseded_by: The newer memory that replaces what this one says, or None.
        times: Number of results that say the same thing and that this one stands for, itself
            included.
        last_said: Time of the last of them, in UTC; None means the memory's own time.
    """

    memory: Memory
    score: float
    parts: Parts
    cosine: float
    retention: float
    relevance: float = 1.0
    superseded_by: SupersededBy | None = None
    times: int = 1
    last_said: datetime | None = None

    def why(self, language: str = "en") -> str:
        """Return one line that explains the score, in English ("en") or Chinese ("zh")."""
        wording = SCORE_STRINGS[language]
        parts = plain_fields(self.parts).items()
        summands = [f"{wording[name]} {part:+.2f}" for name, part in parts if abs(part) >= 0.005]
        line = wording["line"].format(
            score=self.score,
            summands=wording["comma"].join(summands) or "0",
            cosine=self.cosine,
            retention=self.retention,
            strength=self.memory.strength,
        )
        repeated = wording["repeated"].format(times=self.times) if self.times > 1 else ""
        newer = self.superseded_by
        return line + repeated + (wording["superseded"].format(day=newer.day) if newer else "")

    def _repr_html_(self) -> str:
        return render_results([self])

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchResult:
        """Return the result of a dict made by `to_dict`."""
        newer, last_said = data.get("superseded_by"), data.get("last_said")
        values = {
            "memory": Memory.from_dict(data["memory"]),
            "parts": Parts(**data["parts"]),
            "superseded_by": newer and SupersededBy(newer["id"], date.fromisoformat(newer["day"])),
            "last_said": last_said and datetime.fromisoformat(last_said),
        }
        return cls(**{**data, **values})
