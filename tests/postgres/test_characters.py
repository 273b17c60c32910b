"""Texts survive the round trip through PostgreSQL, which cannot store NUL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("psycopg", reason="psycopg is not installed")

from memorybank_core.stores.postgres.characters import escape, unescape


@given(st.text(st.sampled_from("a\0\x1a01")), st.text(st.sampled_from("a\0\x1a01")))
def test_round_trip(text, other):
    assert unescape(escape(text)) == text
    assert "\0" not in escape(text)
    assert escape(text) + escape(other) == escape(text + other)  # so a prefix remains a prefix
    assert escape([text, 1, None]) == [escape(text), 1, None]
