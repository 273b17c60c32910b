"""Ranking: the sum of the parts, neighbours, dates, and old memories that match exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.protocols import Candidates
from memorybank_core.search.ranking import Weights, rank

WEIGHTS = Weights()


def candidates(similarity, lexical=None, **columns):
    n = len(similarity)
    defaults = {
        "key": np.arange(1, n + 1),
        "similarity": np.array(similarity, float),
        "lexical": np.zeros(n) if lexical is None else np.array(lexical, float),
        "pooled": np.ones(n, bool),
        "named": np.zeros(n, int),
        "spoken": np.zeros(n, bool),
        "session": np.arange(n),
        "place": np.arange(n),
        "created": np.arange(n, dtype=float),
        "refreshed": np.arange(n, dtype=float),
        "strength": np.ones(n),
        "centred": np.array(similarity, float),
        "counts": np.zeros((n, 0), np.float32),
        "length": np.ones(n),
        "asks": np.zeros(n, np.uint8),
        "flags": np.zeros(n, np.uint16),
        "vectors": np.zeros((n, 2), np.float32),
        "frequencies": np.zeros(0, np.int64),
    }
    columns = defaults | {k: np.array(v) for k, v in columns.items()}
    return Candidates(**columns, terms=(), memories=n, mean_length=1.0)


def order(columns, retention=None, weights=WEIGHTS, k=10):
    n = len(columns.key)
    return rank(columns, np.ones(n) if retention is None else np.array(retention), k, weights).rows


def test_similarity_and_bm25_have_equal_weight():
    assert order(candidates([0.9, 0.8, 0.7])) == [0, 1, 2]
    assert order(candidates([0.8, 0.8, 0.8], [1, 9, 3])) == [1, 2, 0]


def test_a_named_day_gets_a_larger_bonus_than_a_named_month():
    columns = candidates([0.9, 0.5, 0.5], named=[0, 31, 1])
    ranking = rank(columns, np.ones(3), 3, WEIGHTS)
    assert ranking.rows == [2, 1, 0]
    day, month, none = (parts.date for parts in ranking.parts)
    assert (day, none) == (8.0, 0.0)
    assert month == pytest.approx(8 / (1 + 0.3 * np.log(31)))


def test_the_named_speaker_gets_a_bonus():
    assert order(candidates([0.8, 0.8, 0.8], spoken=[False, True, False]))[0] == 1


def test_an_event_summary_ranks_after_the_turns_that_it_summarizes():
    columns = candidates([0.9, 0.8, 0.1], session=[-1, 0, 1])
    ranking = rank(columns, np.ones(3), 3, WEIGHTS)
    assert ranking.rows == [1, 0, 2]
    assert ranking.parts[1].context == -2.0


def test_the_next_utterance_gains_more_than_the_previous_one():
    columns = candidates([0.1, 0.9, 0.1, 0.1], session=[7, 7, 7, 8], place=[1, 2, 3, 4])
    ranking = rank(columns, np.ones(4), 4, WEIGHTS)
    context = {row: parts.context for row, parts in zip(ranking.rows, ranking.parts, strict=True)}
    assert context[2] > context[0] > context[3] == 0.0


def test_the_share_of_neighbours_decreases_with_distance_and_ends():
    columns = candidates([0.9, *[0.1] * 8], session=[7] * 9, place=np.arange(9))
    ranking = rank(columns, np.ones(9), 9, WEIGHTS)
    context = [p.context for _, p in sorted(zip(ranking.rows, ranking.parts, strict=True))]
    assert context[1:7] == sorted(context[1:7], reverse=True)
    assert context[6] > 0.0
    assert context[7:] == [0.0, 0.0]


def test_event_summaries_have_no_neighbours():
    columns = candidates([0.9, 0.1], session=[-1, -1])
    assert [parts.context for parts in rank(columns, np.ones(2), 2, WEIGHTS).parts] == [-2.0, -2.0]


def test_retention_breaks_ties_but_an_old_exact_match_ranks_first():
    assert order(candidates([0.8, 0.8]), retention=[0.1, 0.9]) == [1, 0]
    similar = [0.80] * 40
    assert (
        order(candidates([0.95, *similar], [12, *[1] * 40]), retention=[0.0, *[1.0] * 40])[0] == 0
    )


def test_an_exact_match_ranks_above_many_similar_candidates():
    similar = [0.800 + i / 1e5 for i in range(40)]
    assert order(candidates([0.75, *similar], [9, *[0] * 40]))[0] == 0


def test_ties_go_to_the_newer_then_the_later_written():
    assert order(candidates([0.5, 0.5, 0.5])) == [2, 1, 0]
    assert order(candidates([0.5, 0.5, 0.5], created=[1.0, 1.0, 1.0])) == [2, 1, 0]


def test_no_candidates_give_no_results():
    assert order(candidates([])) == []


rows = st.lists(
    st.tuples(
        st.floats(-1, 1), st.floats(0, 30), st.integers(0, 40), st.booleans(),
        st.integers(-1, 3), st.floats(0, 1), st.booleans(),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@given(rows, st.integers(1, 10))
def test_results_are_sorted_by_the_sum_of_their_parts(rows, k):
    similarity, lexical, named, spoken, session, retention, pooled = map(
        np.array, zip(*rows, strict=True)
    )
    columns = candidates(
        similarity, lexical, named=named, spoken=spoken, session=session, pooled=pooled
    )
    ranking = rank(columns, retention, k, WEIGHTS)
    scores = [parts.total for parts in ranking.parts]
    assert len(scores) == min(k, len(rows))
    assert scores == pytest.approx(sorted(scores, reverse=True))
    assert rank(columns, retention, k, WEIGHTS) == ranking


@given(rows)
def test_the_order_of_the_candidates_does_not_matter(rows):
    similarity, lexical, named, spoken, session, retention, pooled = map(
        np.array, zip(*rows, strict=True)
    )
    columns = candidates(
        similarity, lexical, named=named, spoken=spoken, session=session, pooled=pooled
    )
    flipped = replace(
        columns,
        **{
            name: value[::-1]
            for name in Candidates.__slots__
            if isinstance(value := getattr(columns, name), np.ndarray)
        },
    )
    original, reversed_ = (
        rank(columns, retention, 5, WEIGHTS),
        rank(flipped, retention[::-1], 5, WEIGHTS),
    )
    assert [p.total for p in original.parts] == pytest.approx([p.total for p in reversed_.parts])
