"""Values of records: times with a time zone, and plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timezone
from typing import Any

from .errors import InvalidInputError


def require_aware(moment: datetime, name: str) -> datetime:
    """Return `moment` in UTC.

    Raises:
        InvalidInputError: If it is not a datetime, or a naive one.
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
            f"{name}={moment.isoformat()} is beyond the calendar in UTC"
        ) from error


def plain_fields(record: Any) -> dict[str, Any]:
    """Return the fields of a record as plain JSON values."""
    return {field.name: plain_value(getattr(record, field.name)) for field in fields(record)}


def plain_value(value: Any) -> Any:
    """Return `value` as a JSON value: records become objects, times ISO 8601 strings."""
    if is_dataclass(value):
        return plain_fields(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (tuple, list)):
        return [plain_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: plain_value(item) for key, item in value.items()}
    return value
