"""Record of a statement that replaced another, as a language model read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .record_values import plain_fields


@dataclass(frozen=True, slots=True)
class Change:
    """A turn that a language model read, and an older one that it replaced.

    Attributes:
        newer: Id of the newer turn.
        older: Id of the turn that it replaced; None only records that the newer one was read.
        made_by: Name of the model.
        made_at: Time of reading.
    """

    newer: str
    older: str | None
    made_by: str
    made_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return plain_fields(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Change:
        """Return the change of a dict made by `to_dict`."""
        return cls(**{**data, "made_at": datetime.fromisoformat(data["made_at"])})
