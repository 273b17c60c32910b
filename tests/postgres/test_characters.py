"""Every text comes back from the form in which PostgreSQL holds it, which has no NUL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("psycopg", reason="psycopg is not installed")

from memorybank_core.stores.postgres.characters import escaped, plain


@given(st.text(st.sampled_from("a\0\x1a01")), st.text(st.sampled_from("a\0\x1a01")))
def test_round_trip(text, other):
    assert plain(escaped(text)) == text
    assert "\0" not in escaped(text)
    assert escaped(text) + escaped(other) == escaped(text + other)  # so prefixes stay prefixes
    assert escaped([text, 1, None]) == [escaped(text), 1, None]
