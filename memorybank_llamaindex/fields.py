"""Types of the fields that the memory and the block share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator

from memorybank_core.conditions import require_where
from memorybank_core.metadata import require_metadata

MetadataField = Annotated[dict[str, Any], AfterValidator(lambda value: require_metadata(value))]
"""Metadata of turns."""
WhereField = Annotated[dict[str, Any] | None, AfterValidator(lambda value: require_where(value))]
"""Conditions on the metadata of turns."""
