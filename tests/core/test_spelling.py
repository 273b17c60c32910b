"""Spelling variants of words that a bank does not know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.spelling import near_forms


@pytest.mark.parametrize(
    ("typo", "word"),
    [
        ("sholder", "shoulder"),
        ("docter", "doctor"),
        ("atttic", "attic"),
        ("plnae", "plane"),
    ],
)
def test_one_error_is_found(typo, word):
    assert word in near_forms(typo)


def test_swapped_letters_come_first():
    forms = near_forms("tikcet")
    assert forms.index("ticket") < forms.index("tiket")


@given(st.text(max_size=20))
def test_any_string_has_few_distinct_forms(form):
    forms = near_forms(form)
    assert form not in forms
    assert len(set(forms)) == len(forms) <= 3_000
    assert all(forms)
