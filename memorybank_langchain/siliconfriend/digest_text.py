"""Text of a digest as the apps show it to the user whom it is about."""

from __future__ import annotations

from memorybank_core import Portrait, Summary
from memorybank_core.digests.grammatical_person import to_second_person


def text_for_user(digest: Portrait | Summary) -> str:
    """Return the text; a digest that was made without a language model says "you"."""
    return to_second_person(digest.text) if digest.is_extractive else digest.text
