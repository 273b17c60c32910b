"""Laws of forgetting: numbers of the paper and of the reference implementation, and properties."""

import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core import (
    FSRS,
    Ebbinghaus,
    InvalidInputError,
    Memory,
    PowerLaw,
)
from memorybank_core.forgetting import (
    days_between,
    fades_at,
    is_forgotten,
    retention_of,
)

NOON = datetime(2024, 3, 4, 12, tzinfo=timezone.utc)
MEMORY = Memory("m", "alice", "turn", "text", NOON, NOON.date(), "2024-03-04")
LAWS = [Ebbinghaus(), Ebbinghaus(scale_days=1), PowerLaw(), PowerLaw(2.0, 0.5), FSRS()]
PAPER = Ebbinghaus(scale_days=1)

laws = st.sampled_from(LAWS)
days = st.floats(0, 3650)
strengths = st.floats(0.5, 200)


@pytest.mark.parametrize(
    ("strength", "elapsed", "retention"),
    [(1, 0, 1.0), (1, 1, 0.3679), (1, 2, 0.1353), (2, 1, 0.6065), (2, 2, 0.3679)],
)
def test_the_papers_numbers(strength, elapsed, retention):
    assert PAPER.retention(elapsed, strength) == pytest.approx(retention, abs=5e-5)


def test_a_recall_adds_one_and_restarts_time():
    assert PAPER.strengthened(1.0, 3.0) == 2.0
    recalled = replace(MEMORY, strength=2.0, last_recalled_at=NOON + timedelta(days=3))
    now = NOON + timedelta(days=4)
    assert retention_of(recalled, PAPER, now) == pytest.approx(math.exp(-1 / 2))
    assert retention_of(MEMORY, PAPER, now) == pytest.approx(math.exp(-4))


def test_memories_recalled_often_fade_slower_unlike_in_the_original_code():
    def original(elapsed, strength):  # its missing parentheses: exp(-t / 5 * S)
        return math.exp(-elapsed / 5 * strength)

    assert original(3, 4) < original(3, 1)
    assert Ebbinghaus().retention(3, 4) > Ebbinghaus().retention(3, 1)


@given(laws, days, days, strengths)
def test_retention_falls_with_time(law, days_a, days_b, strength):
    early, late = sorted((days_a, days_b))
    assert 0.0 <= law.retention(late, strength) <= law.retention(early, strength) <= 1.0


@given(laws, days, strengths, strengths)
def test_retention_rises_with_strength(law, elapsed, strength_a, strength_b):
    weak, strong = sorted((strength_a, strength_b))
    assert law.retention(elapsed, weak) <= law.retention(elapsed, strong)


@given(laws, strengths, days)
def test_a_recall_never_reduces_strength(law, strength, elapsed):
    assert law.strengthened(strength, elapsed) >= strength


@given(laws, st.floats(0.01, 1.0), strengths)
def test_days_until_is_the_inverse_of_retention(law, retention, strength):
    elapsed = law.days_until(retention, strength)
    assert law.retention(elapsed, strength) == pytest.approx(retention, rel=1e-6)


@given(laws)
def test_retention_is_1_at_first(law):
    assert law.retention(0.0, 1.0) == 1.0


@given(laws, st.lists(st.tuples(days, strengths), min_size=1, max_size=20))
def test_arrays_and_single_numbers_give_the_same_values(law, pairs):
    elapsed, strength = np.array(pairs).T
    single = [law.retention(t, s) for t, s in pairs]
    assert law.retention(elapsed, strength) == pytest.approx(single, rel=1e-12)


@given(days, st.floats(0.1, 3.0))
def test_fsrs_agrees_with_the_reference(elapsed, strength):
    fsrs = pytest.importorskip("fsrs", reason="the reference implementation is not installed")
    scheduler = fsrs.Scheduler(enable_fuzzing=False)
    whole_days = int(elapsed)
    card = fsrs.Card(
        state=fsrs.State.Review,
        stability=2.3065 * strength,
        difficulty=scheduler._initial_difficulty(rating=fsrs.Rating.Good, clamp=True),
        last_review=NOON,
    )
    now = NOON + timedelta(days=whole_days)
    retention = scheduler.get_card_retrievability(card, now)
    assert FSRS().retention(whole_days, strength) == pytest.approx(retention, rel=1e-9)
    reviewed, _ = scheduler.review_card(card, fsrs.Rating.Good, now)
    stability = 2.3065 * FSRS().strengthened(strength, whole_days)
    assert stability == pytest.approx(reviewed.stability, rel=1e-9)


@pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, "5"])
def test_a_scale_must_be_positive_and_finite(scale):
    with pytest.raises(InvalidInputError, match="scale_days"):
        Ebbinghaus(scale_days=scale)


def test_all_invalid_parameters_are_listed_together():
    with pytest.raises(InvalidInputError, match=r"scale_days=0.*exponent=-1"):
        PowerLaw(0, -1)


def test_a_clock_set_back_does_not_reduce_retention():
    assert days_between(NOON, NOON - timedelta(days=1)) == 0.0
    assert retention_of(MEMORY, PAPER, NOON - timedelta(days=9)) == 1.0


def test_fades_at_is_none_beyond_the_calendar():
    assert fades_at(MEMORY, PAPER, math.exp(-2)) == NOON + timedelta(days=2)
    assert fades_at(replace(MEMORY, strength=1e9), PAPER, 0.05) is None


def test_random_forgetting_is_determined_by_seed_and_retention():
    memories = [replace(MEMORY, id=str(i)) for i in range(2000)]
    outcomes = [is_forgotten(memory, 0.7, 0.05, seed=4) for memory in memories]
    assert outcomes == [is_forgotten(memory, 0.7, 0.05, seed=4) for memory in memories]
    assert sum(outcomes) / 2000 == pytest.approx(0.3, abs=0.04)
    later = [is_forgotten(memory, 0.4, 0.05, seed=4) for memory in memories]
    assert all(after for before, after in zip(outcomes, later, strict=True) if before)
