"""Records of digests: summaries and portraits, with a JSON round trip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

from .notebook import render_digest
from .record_values import plain_fields

if TYPE_CHECKING:
    from typing_extensions import Self


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
        """True if the digest was made without a language model."""
        return self.made_by == EXTRACTIVE

    def _repr_html_(self) -> str:
        return render_digest(self)  # type: ignore[arg-type]  # Summary or Portrait

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the digest of a dict made by `to_dict`."""
        day, made_at = data["day"], datetime.fromisoformat(data["made_at"])
        return cls(
            **{**data, "day": None if day is None else date.fromisoformat(day), "made_at": made_at}
        )


@dataclass(frozen=True, slots=True)
class Summary(_Digest):
    """Summary of the events of one day, or of all days (`day=None`).

    Attributes:
        user_id: The user.
        text: The summary.
        day: The day; None for all days.
        made_by: Name of the model that wrote it; "extractive" if no model did, None if unknown
            (imported).
        made_at: Time of writing.
        source: Hash of the texts it was made from; None if unknown.
    """


@dataclass(frozen=True, slots=True)
class Portrait(_Digest):
    """The user's personality and the advised response strategy, of one day or overall.

    The attributes are those of `Summary`.
    """


Digest = Summary | Portrait
"""A summary or a portrait."""
DigestKind = Literal["summary", "portrait"]
EXTRACTIVE = "extractive"
"""The `made_by` of a digest that was made without a language model."""
