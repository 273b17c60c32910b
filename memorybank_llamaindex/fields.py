"""Types of the fields that the memory and the block share."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator

from memorybank_core.conditions import require_where
from memorybank_core.context import token_counter
from memorybank_core.metadata import require_metadata
from memorybank_core.validation import to_user_id

UserId = str | int | UUID
"""A user's id; integers and UUIDs stand for their text."""
UserField = Annotated[str, BeforeValidator(lambda value: to_user_id(value))]
"""A user's id as text."""
MetadataField = Annotated[dict[str, Any], AfterValidator(lambda value: require_metadata(value))]
"""Metadata of turns."""
WhereField = Annotated[dict[str, Any] | None, AfterValidator(lambda value: require_where(value))]
"""Conditions on the metadata of turns."""


def _require_tokenizer(tokenizer: Any) -> Any:
    token_counter(tokenizer)
    return tokenizer


TokenizerField = Annotated[Any, AfterValidator(_require_tokenizer)]
"""A tokenizer as `MemoryBank.context` takes it."""


def share(memo: dict[int, Any] | None, value: Any) -> dict[int, Any]:
    """Return the memo of a deep copy in which `value` is not copied."""
    memo = {} if memo is None else memo
    memo[id(value)] = value
    return memo
