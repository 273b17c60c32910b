"""Batches of an index: conversion, concatenation and selection keep every column together."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from memorybank_core import HashingEmbedder, MemoryBank, Turn
from memorybank_core.stores.index.batch import NONE, concatenate, to_batch
from memorybank_core.stores.index.bm25 import term_key

START = datetime(2024, 5, 4, 9, tzinfo=timezone.utc)
KEYS = [2, 3, 7, 9]


@pytest.fixture
def memories(tmp_path):
    turns = [
        Turn("I play the cello.", "Lovely!", session="one"),
        Turn("And chess.", "", session="two", user_name="Ada"),
        Turn("", "Which opening?", session="one", companion_name="Bo"),
        Turn("The French.", "", session="two", user_name="Ada"),
    ]
    with MemoryBank.open(tmp_path / "bank.db", embedder=HashingEmbedder()) as bank:
        for number, turn in enumerate(turns):
            bank.add([turn], user_id="ada", now=START + timedelta(days=number))
        return bank.timeline(user_id="ada")


def matrices(windows):
    return [np.full((count, 3), number, np.float32) for number, count in enumerate(windows)]


def names(batch):
    return [
        [known[code] if code != NONE else None for code in codes]
        for codes, known in ((batch.session, batch.sessions), (batch.speaker, batch.speakers))
    ]


def test_a_batch_has_the_columns_of_its_memories(memories):
    batch = to_batch(memories, matrices([1, 2, 1, 3]), KEYS)
    assert len(batch) == 4
    assert batch.key.tolist() == KEYS
    assert batch.created[1] - batch.created[0] == 86_400_000_000
    assert batch.day.tolist() == [(START + timedelta(days=i)).date().toordinal() for i in range(4)]
    assert batch.utterances.tolist() == [2, 1, 1, 1]
    assert names(batch) == [["one", "two", "one", "two"], [None, "Ada", "Bo", "Ada"]]
    assert batch.windows.tolist() == [1, 2, 1, 3]
    assert batch.vectors[:, 0].tolist() == [0, 1, 1, 2, 3, 3, 3]
    assert term_key("cello") in batch.postings["term"][: batch.terms[0]]


def test_the_concatenation_of_parts_is_the_batch_of_all(memories):
    vectors = matrices([1, 2, 1, 3])
    whole = to_batch(memories, vectors, KEYS)
    parts = [to_batch(memories[i:j], vectors[i:j], KEYS[i:j]) for i, j in ((0, 1), (1, 3), (3, 4))]
    joined = concatenate(parts)
    assert names(joined) == names(whole)
    for name in ("key", "created", "day", "kind", "windows", "terms", "postings", "vectors"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name)), name


def test_a_selection_has_the_vectors_and_postings_of_its_memories(memories):
    vectors = matrices([1, 2, 1, 3])
    selected = to_batch(memories, vectors, KEYS).select(np.array([False, True, False, True]))
    expected = to_batch(memories[1::2], vectors[1::2], KEYS[1::2])
    assert names(selected) == names(expected)
    for name in ("key", "windows", "terms", "postings", "vectors"):
        assert np.array_equal(getattr(selected, name), getattr(expected, name)), name
