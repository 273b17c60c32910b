"""The records that go into a bank and come out of it: frozen, typed, JSON both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any, Literal, get_args

from .errors import InvalidInputError

if TYPE_CHECKING:
    from typing_extensions import Self

Kind = Literal["turn", "event"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def require_aware(moment: datetime, name: str) -> datetime:
    """`moment` in UTC.

    Raises:
        InvalidInputError: It is no datetime, or a naive one.
    """
    if not isinstance(moment, datetime):
        raise InvalidInputError(f"{name} must be a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise InvalidInputError(
            f"{name}={moment.isoformat()} is naive: give it a time zone, "
            "for example datetime.now(timezone.utc)"
        )
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise InvalidInputError(
            f"{name}={moment.isoformat()} lies beyond the calendar in UTC"
        ) from error


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange between the user and the companion.

    Attributes:
        query: What the user said.
        response: What the companion answered; may be empty (so may `query`, not both).
        at: When, with a time zone; None means the moment it is added.
        id: Unique for this user; adding the same id and text again changes nothing. None
            derives one from the content and the time.
        session: The conversation it belongs to; None means the day's.
        user_name: Who says `query`, where that matters for recall.
        companion_name: Who says `response`.
    """

    query: str
    response: str = ""
    at: datetime | None = None
    id: str | None = None
    session: str | None = None
    user_name: str | None = None
    companion_name: str | None = None

    def __post_init__(self) -> None:
        for name in ("query", "response"):
            if not isinstance(getattr(self, name), str):
                kind = type(getattr(self, name)).__name__
                raise InvalidInputError(f"Turn.{name} must be a string, not {kind}")
        for name in ("id", "session", "user_name", "companion_name"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise InvalidInputError(f"Turn.{name} must be a non-empty string or None")
        if not self.query.strip() and not self.response.strip():
            raise InvalidInputError("a Turn needs a query or a response; both are empty")
        if self.at is not None:
            require_aware(self.at, "Turn.at")

    @property
    def text(self) -> str:
        """The exchange as it is embedded and searched: who said what, a line each."""
        said = ((self.user_name, self.query), (self.companion_name, self.response))
        return "\n".join(f"{name}: {words}" if name else words for name, words in said if words)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Turn:
        """The turn that `to_dict` gave."""
        at = data.get("at")
        return cls(**{**data, "at": None if at is None else datetime.fromisoformat(at)})


@dataclass(frozen=True, slots=True)
class Memory:
    """One stored, embedded, searchable piece.

    Attributes:
        id: Unique for this user.
        user_id: Whose memory it is.
        kind: "turn" or "event" (a daily event summary).
        text: What is searched.
        created_at: When it was said, in UTC.
        day: The calendar day of that, in the user's time zone.
        session: The conversation it belongs to.
        strength: S of the law of forgetting; 1.0 at first, grows with each recall.
        recalls: How often it was recalled (reinforced).
        last_recalled_at: When it was last recalled, in UTC.
        archived_at: When it was forgotten (decay), in UTC; None while it is active.
        turn: The exchange itself, for kind "turn".
        pinned: Whether it is kept from fading: its retention is 1.
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

    @property
    def refreshed_at(self) -> datetime:
        """The moment from which it fades: the later of creation and last recall."""
        return max(self.created_at, self.last_recalled_at or self.created_at)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Memory:
        """The memory that `to_dict` gave."""
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
            }
        )


@dataclass(frozen=True, slots=True)
class _Digest:
    user_id: str
    text: str
    day: date | None
    made_by: str | None
    made_at: datetime
    source: str | None = None

    @property
    def is_extractive(self) -> bool:
        """Whether it was made without a language model."""
        return self.made_by == EXTRACTIVE

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The digest that `to_dict` gave."""
        day, made_at = data["day"], datetime.fromisoformat(data["made_at"])
        return cls(
            **{**data, "day": None if day is None else date.fromisoformat(day), "made_at": made_at}
        )


@dataclass(frozen=True, slots=True)
class Summary(_Digest):
    """What happened, on one day or overall (`day=None`).

    `made_by` names the model that wrote it ("extractive": none did; None: unknown, imported),
    `made_at` says when, `source` is a hash of what it was made from (None: unknown).
    """


@dataclass(frozen=True, slots=True)
class Portrait(_Digest):
    """The user's personality with the advised response strategy, of one day or overall.

    `made_by`, `made_at` and `source` are as in `Summary`.
    """


Digest = Summary | Portrait
"""A summary or a portrait."""
DigestKind = Literal["summary", "portrait"]
EXTRACTIVE = "extractive"
"""The `made_by` of a digest that was made without a language model."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a score is made of: the parts add up to it.

    Attributes:
        similarity: Cosine to the query, standardised over the candidates.
        lexical: BM25, standardised over the candidates.
        date: The lift of a day that the query names.
        speaker: The lift of what was said by the one speaker whom the query names.
        context: What the neighbours in the conversation lend; less than 0 for an event summary,
            which gives way to the turns that it tells of.
        retention: How fresh it is, softly weighed.
    """

    similarity: float
    lexical: float
    date: float
    speaker: float
    context: float
    retention: float

    @property
    def total(self) -> float:
        """Their sum, which is the score."""
        signals = self.similarity + self.lexical + self.date + self.speaker
        return signals + self.context + self.retention


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A memory, its score, and the parts the score was made of.

    Attributes:
        memory: What was found.
        score: The higher the better; comparable within one search only.
        parts: The summands of the score.
        cosine: The raw similarity to the query, in [-1, 1].
        retention: R of the law of forgetting at the search's `now`, in [0, 1].
    """

    memory: Memory
    score: float
    parts: Parts
    cosine: float
    retention: float

    def why(self, language: str = "en") -> str:
        """One line that says why it was found, in English ("en") or Chinese ("zh")."""
        wording = WHY[language]
        parts = plain_fields(self.parts).items()
        summands = [f"{wording[name]} {part:+.2f}" for name, part in parts if abs(part) >= 0.005]
        return wording["line"].format(
            score=self.score,
            summands=wording["comma"].join(summands) or "0",
            cosine=self.cosine,
            retention=self.retention,
            strength=self.memory.strength,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchResult:
        """The result that `to_dict` gave."""
        memory, parts = Memory.from_dict(data["memory"]), Parts(**data["parts"])
        return cls(**{**data, "memory": memory, "parts": parts})


WHY = {
    "en": {
        "similarity": "meaning",
        "lexical": "words",
        "date": "date",
        "speaker": "speaker",
        "context": "neighbours",
        "retention": "freshness",
        "comma": ", ",
        "line": "score {score:.2f} = {summands} "
        "(cosine {cosine:.2f}, retention {retention:.2f}, strength {strength:g})",
    },
    "zh": {
        "similarity": "语义",
        "lexical": "词语",
        "date": "日期",
        "speaker": "说话人",
        "context": "上下文",
        "retention": "新鲜度",
        "comma": "、",
        "line": "得分 {score:.2f} = {summands}"
        "（余弦 {cosine:.2f}，保持率 {retention:.2f}，强度 {strength:g}）",
    },
}
"""The wording of `SearchResult.why`; a summand that is nearly 0 is left out."""


def plain_fields(record: Any) -> dict[str, Any]:
    """A record's fields as JSON knows them."""
    return {field.name: _to_plain(getattr(record, field.name)) for field in fields(record)}


def _to_plain(value: Any) -> Any:
    """`value` as JSON knows it: records become objects, times ISO 8601."""
    if is_dataclass(value):
        return plain_fields(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [_to_plain(item) for item in value]
    return value
