"""Ranking: the sum of the parts, neighbours, dates, and old memories that match exactly."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.protocols import Candidates
from memorybank_core.search.query_profile import QueryProfile
from memorybank_core.search.ranking import Weights, rank
from memorybank_core.search.terms import TermGroup
from memorybank_core.search.traits import (
    ENDS_ASKING,
    HAN,
    HAS_NUMBER,
    LATIN,
    MAX_ASKS,
    PREFERENCE,
    TELLS_TIME,
)

WEIGHTS = Weights()
QUESTION = QueryProfile(terms=())


def candidates(similarity, words=(), **columns):
    """Candidates with these similarities and, for each of these words, their counts of it."""
    n = len(similarity)
    counts = np.array(words, np.float32).reshape(len(words), n).T
    defaults = {
        "key": np.arange(1, n + 1),
        "similarity": np.array(similarity, float),
        "pooled": np.ones(n, bool),
        "named": np.zeros(n, int),
        "spoken": np.zeros(n, bool),
        "session": np.arange(n),
        "place": np.arange(n),
        "created": np.arange(n, dtype=float),
        "refreshed": np.arange(n, dtype=float),
        "strength": np.ones(n),
        "centred": np.array(similarity, float),
        "counts": counts,
        "length": np.ones(n),
        "asks": np.zeros(n, np.uint8),
        "flags": np.zeros(n, np.uint16),
        "vectors": np.zeros((n, 2), np.float32),
        "frequencies": np.count_nonzero(counts, axis=0),
    }
    columns = defaults | {k: np.array(v) for k, v in columns.items()}
    terms = [TermGroup((str(number),)) for number in range(counts.shape[1])]
    return Candidates(**columns, terms=terms, memories=n, mean_length=1.0)


def ranked(columns, question=QUESTION, retention=None, weights=WEIGHTS):
    """Return the parts of each row."""
    n = len(columns.key)
    ranking = rank(
        question, columns, np.ones(n) if retention is None else np.array(retention), n, weights
    )
    return dict(zip(ranking.rows, ranking.parts, strict=True))


def order(columns, question=QUESTION, **arguments):
    return list(ranked(columns, question, **arguments))


def test_candidates_are_ordered_by_meaning_and_by_words():
    assert order(candidates([0.9, 0.8, 0.7])) == [0, 1, 2]
    assert order(candidates([0.8, 0.8, 0.8, 0.8], [[1, 9, 3, 0]])) == [1, 2, 0, 3]


def test_rare_words_count_more_than_frequent_ones():
    columns = candidates([0.8] * 4, [[0, 1, 0, 0], [1, 0, 1, 1]])
    assert order(columns)[0] == 1


def test_a_few_of_the_words_do_not_outweigh_the_meaning():
    similar = candidates([0.9, *[0.8] * 9], [[0, 1, *[0] * 8], [0] * 10, [0] * 10, [0] * 10])
    assert order(similar)[0] == 0
    same = candidates([0.81, *[0.8] * 9], [[0, 1, *[0] * 8]])
    assert ranked(same)[1].lexical > 1.2 * ranked(similar)[1].lexical


def test_words_count_for_the_utterance_after_the_one_that_has_them():
    columns = candidates(
        [0.8] * 4, [[1, 0, 0, 0]], session=[5, 5, 5, 6], place=[1, 2, 4, 5], length=[9] * 4
    )
    parts = ranked(columns)
    assert parts[0].lexical > parts[1].lexical > parts[2].lexical >= parts[3].lexical


def test_a_memory_in_another_script_is_not_penalized_for_having_none_of_the_words():
    columns = candidates([0.9, 0.8, 0.8, 0.7], [[0, 1, 0, 0]], flags=[HAN, LATIN, LATIN, LATIN])
    assert order(columns, replace(QUESTION, scripts=LATIN))[0] == 0
    assert order(columns, replace(QUESTION, scripts=LATIN | HAN))[0] == 1


def test_the_traits_of_a_memory_count_for_questions_of_their_kind():
    columns = candidates([0.8] * 4, flags=[HAS_NUMBER, TELLS_TIME, PREFERENCE, 0])
    assert order(columns, replace(QUESTION, asks_number=True))[0] == 0
    assert order(columns, replace(QUESTION, asks_when=True))[0] == 1
    assert order(columns, replace(QUESTION, asks_advice=True))[0] == 2


def test_late_memories_get_a_bonus_if_the_present_is_asked():
    columns = candidates([0.8] * 3, created=[5.0, 1.0, 3.0])
    plain = ranked(columns)
    for row, part in ranked(columns, replace(QUESTION, asks_current=True)).items():
        bonus = part.retention - plain[row].retention
        assert bonus == pytest.approx(WEIGHTS.current * (1.0, 0.0, 0.5)[row])


def test_a_memory_that_asks_ranks_below_the_one_that_answers():
    columns = candidates(
        [0.82, 0.8, 0.7], session=[1, 1, 2], place=[1, 2, 3],
        asks=[MAX_ASKS, 0, 0], flags=[ENDS_ASKING, 0, 0],
    )  # fmt: skip
    parts = ranked(columns)
    assert list(parts) == [1, 0, 2]
    assert parts[0].asking == -WEIGHTS.asking
    statement = replace(columns, flags=np.zeros(3, np.uint16))
    assert parts[1].context > ranked(statement)[1].context


def test_match_counts_more_for_a_long_message():
    columns = candidates([0.9, 0.8, 0.7])
    question, message = (
        ranked(columns, replace(QUESTION, is_message=long))[0] for long in (False, True)
    )
    assert message.similarity == pytest.approx(WEIGHTS.message * question.similarity)


def test_a_named_day_gets_a_larger_bonus_than_a_named_month():
    columns = candidates([0.9, 0.5, 0.5], named=[0, 31, 1])
    parts = ranked(columns)
    assert list(parts) == [2, 1, 0]
    day, month, none = (part.date for part in parts.values())
    assert (day, none) == (5.0, 0.0)
    assert month == pytest.approx(5 / (1 + 0.3 * np.log(31)))


def test_the_named_speaker_gets_a_bonus():
    assert order(candidates([0.8, 0.8, 0.8], spoken=[False, True, False]))[0] == 1


def test_an_event_summary_ranks_after_the_turns_that_it_summarizes():
    columns = candidates([0.9, 0.8, 0.1], session=[-1, 0, 1])
    parts = ranked(columns)
    assert list(parts) == [1, 0, 2]
    assert parts[0].context == -2.0


def test_the_next_and_the_previous_utterance_gain_a_share():
    columns = candidates([0.1, 0.9, 0.1, 0.1], session=[7, 7, 7, 8], place=[1, 2, 3, 4])
    context = {row: parts.context for row, parts in ranked(columns).items()}
    assert context[2] > 0.0 < context[0]
    assert context[3] == 0.0


def test_the_share_of_neighbours_decreases_with_distance_and_ends():
    columns = candidates([0.9, *[0.1] * 8], session=[7] * 9, place=np.arange(9))
    context = [parts.context for _, parts in sorted(ranked(columns).items())]
    assert context[1:7] == sorted(context[1:7], reverse=True)
    assert context[6] > 0.0
    assert context[7:] == [0.0, 0.0]


def test_event_summaries_have_no_neighbours():
    columns = candidates([0.9, 0.1], session=[-1, -1])
    assert [parts.context for parts in ranked(columns).values()] == [-2.0, -2.0]


def test_retention_breaks_ties_but_an_old_exact_match_ranks_first():
    assert order(candidates([0.8, 0.8]), retention=[0.1, 0.9]) == [1, 0]
    similar = [0.80] * 40
    assert (
        order(candidates([0.95, *similar], [[2, *[0] * 40]]), retention=[0.0, *[1.0] * 40])[0] == 0
    )


def test_an_exact_match_ranks_above_many_similar_candidates():
    similar = [0.800 + i / 1e5 for i in range(40)]
    assert order(candidates([0.75, *similar], [[9, *[0] * 40]]))[0] == 0


def test_ties_go_to_the_newer_then_the_later_written():
    assert order(candidates([0.5, 0.5, 0.5])) == [2, 1, 0]
    assert order(candidates([0.5, 0.5, 0.5], created=[1.0, 1.0, 1.0])) == [2, 1, 0]


def test_no_candidates_give_no_results():
    assert order(candidates([])) == []


def test_a_candidate_without_neighbours_has_a_score():
    columns = candidates([0.8], session=[3])
    assert ranked(columns)[0].context == 0.0


rows = st.lists(
    st.tuples(
        st.floats(-1, 1), st.integers(0, 30), st.integers(0, 40), st.booleans(),
        st.integers(-1, 3), st.floats(0, 1), st.booleans(),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@given(rows, st.integers(1, 10))
def test_results_are_sorted_by_the_sum_of_their_parts(rows, k):
    similarity, counts, named, spoken, session, retention, pooled = map(
        np.array, zip(*rows, strict=True)
    )
    columns = candidates(
        similarity, [counts], named=named, spoken=spoken, session=session, pooled=pooled
    )
    ranking = rank(QUESTION, columns, retention, k, WEIGHTS)
    scores = [parts.total for parts in ranking.parts]
    assert len(scores) == min(k, len(rows))
    assert scores == pytest.approx(sorted(scores, reverse=True))
    assert rank(QUESTION, columns, retention, k, WEIGHTS) == ranking


@given(rows)
def test_the_order_of_the_conversations_does_not_matter(rows):
    rows = sorted(rows, key=lambda row: row[4])
    similarity, counts, named, spoken, session, retention, pooled = map(
        np.array, zip(*rows, strict=True)
    )
    columns = candidates(
        similarity, [counts], named=named, spoken=spoken, session=session, pooled=pooled
    )
    order = np.argsort(-session, kind="stable")
    flipped = replace(
        columns,
        **{
            name: value[order]
            for name in Candidates.__slots__
            if isinstance(value := getattr(columns, name), np.ndarray) and name != "frequencies"
        },
    )
    original, reversed_ = (
        rank(QUESTION, columns, retention, 5, WEIGHTS),
        rank(QUESTION, flipped, retention[order], 5, WEIGHTS),
    )
    assert [p.total for p in original.parts] == pytest.approx([p.total for p in reversed_.parts])
