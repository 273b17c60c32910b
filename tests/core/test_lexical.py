"""BM25 compared with a direct implementation of its formula."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.search.terms import TermGroup
from memorybank_core.stores.index import bm25
from memorybank_core.stores.index.bm25 import K1, POSTING, B, LexicalIndex, postings
from memorybank_core.testing.examples import group_terms

words = st.sampled_from("cello sister cat 猫 花 rain walk tea".split())
documents = st.lists(st.lists(words, max_size=12), min_size=1, max_size=30)


def extend(index, documents):
    blobs = [postings(document) for document in documents]
    sizes = np.array([len(blob) // POSTING.itemsize for blob in blobs], int)
    index.extend(np.frombuffer(b"".join(blobs), POSTING), sizes)


def assert_best(query, expected):
    """Assert that the best memories of a query are those with the highest of these scores."""
    for count in {1, max(len(expected) // 2, 1), len(expected)}:
        scores = np.array(expected)
        best = scores[query.best(count, None)]
        assert best.tolist() == pytest.approx(
            sorted(scores[scores > 1e-9], reverse=True)[:count], abs=1e-5
        )


def reference_scores(documents, query):
    """Robertson & Zaragoza (2009), with Lucene's idf."""
    mean = sum(map(len, documents)) / len(documents) or 1.0
    scores = []
    for document in documents:
        counts, score = Counter(document), 0.0
        for term in set(query):
            document_frequency = sum(term in other for other in documents)
            idf = math.log(
                1 + (len(documents) - document_frequency + 0.5) / (document_frequency + 0.5)
            )
            norm = K1 * (1 - B + B * len(document) / mean)
            score += idf * counts[term] * (K1 + 1) / (counts[term] + norm)
        scores.append(score)
    return scores


@given(documents, st.lists(words, max_size=5), st.integers(1, 30), st.sampled_from([1, 16_384]))
def test_the_best_are_those_of_bm25_for_any_sequence_of_additions(documents, query, step, tail):
    index = LexicalIndex()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_TAIL", tail)
        for start in range(0, len(documents), step):
            extend(index, documents[start : start + step])
    assert len(index) == len(documents)
    assert_best(index.query(group_terms(query)), reference_scores(documents, query))


def test_an_empty_index_finds_nothing():
    assert LexicalIndex().query(group_terms(["cello"])).best(5, None).tolist() == []


def test_unknown_terms_find_nothing():
    index = LexicalIndex()
    extend(index, [["cat"]])
    assert index.query(group_terms(["dog", "zebra"])).best(5, None).tolist() == []


def test_nbytes_grows_with_the_documents():
    index = LexicalIndex()
    empty = index.nbytes
    extend(index, [["cat", "sat"]] * 100)
    assert index.nbytes > empty + 100 * 2 * 10


@given(documents, st.lists(words, min_size=1, max_size=3, unique=True), st.integers(0, 30))
def test_the_forms_of_a_group_count_as_one_term(documents, forms, sorted_documents):
    index = LexicalIndex()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bm25, "_TAIL", 0)
        extend(index, documents[:sorted_documents])
        for _ in range(2):  # the second one sorts the postings
            index.query([])
        extend(index, documents[sorted_documents:])
    query = index.query([TermGroup(tuple(forms), weight=0.5), TermGroup(("dog",))])
    as_one = [["cat" if word in forms else "other" for word in document] for document in documents]
    positions = np.arange(len(documents))
    counts = [[document.count("cat"), 0] for document in as_one]
    assert query.counts(positions).tolist() == counts
    assert query.frequencies.tolist() == [sum(count > 0 for count, _ in counts), 0]
    expected = [score / 2 for score in reference_scores(as_one, ["cat"])]
    assert_best(query, expected)


@pytest.mark.parametrize("tail", [0, 16_384])
def test_an_unknown_term_is_replaced_by_known_ones_that_are_spelled_nearly_alike(monkeypatch, tail):
    monkeypatch.setattr(bm25, "_TAIL", tail)
    index = LexicalIndex()
    extend(index, [["cello", "rain"], ["tea", "celo"], ["rain"]])
    for _ in range(2):  # with and without sorted postings
        typo = TermGroup(("celllo",), weight=2.0)
        query = index.query([TermGroup(("rain",)), typo, TermGroup(("zebra",))])
        assert query.groups == [
            TermGroup(("rain",)),
            TermGroup(("cello",), weight=2.0 * bm25.NEAR_WEIGHT),
            TermGroup(("zebra",)),
        ]
        assert query.counts(np.arange(3)).tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]]
        known = index.query([TermGroup(("cello", "celllo"))])
        assert known.groups[0].forms == ("cello", "celllo")  # one form is known
