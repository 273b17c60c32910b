"""Conditions on JSON values, and the index that evaluates them for all memories at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core.conditions import matches, matches_value, require_where
from memorybank_core.metadata import require_metadata, to_text
from memorybank_core.stores.index.batch import encode
from memorybank_core.stores.index.metadata_index import MetadataIndex

scalars = st.sampled_from([None, True, False, 0, 1, 1.0, 2, -0.0, 1.5, "1", "1.5", "", "a", "b"])
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.sampled_from("xy"), scalars)
objects = st.dictionaries(st.sampled_from("abc"), values, max_size=3)
orders = st.sampled_from(["$gt", "$gte", "$lt", "$lte"])
operations = (
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), values, min_size=1)
    | st.dictionaries(orders, st.sampled_from([0, 1, 1.5, "1", "a"]), min_size=1)
    | st.builds(lambda items: {"$in": items}, st.lists(values, max_size=3))
)
conditions = values | operations | st.builds(lambda inner: {"x": inner}, operations)
wheres = st.dictionaries(st.sampled_from("abcd"), conditions, max_size=2)


@pytest.mark.parametrize(
    ("value", "condition", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, None, True),
        ("1", 1, False),
        ([1, True], [1.0, True], True),
        ([1, True], [1, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1, "b": 2}, {"$eq": {"a": 1}}, False),
        ("10", {"$gt": 9}, True),
        ("10", {"$gt": "9"}, True),
        ("2024-03-04", {"$lt": "2024-12-01"}, True),
        ("2024-03-04", {"$gt": 1}, False),
        (None, {"$lt": 1}, False),
        ([], {"$lt": 1}, False),
        ("a", {"$in": ["b", "a"]}, True),
        (True, {"$in": [1]}, False),
        (2**53 + 1, {"$gt": 2**53}, True),
    ],
)
def test_values_are_compared_as_json(value, condition, expected):
    assert matches_value(value, condition) is expected


def test_a_missing_key_matches_only_ne():
    assert matches({}, {"a": {"$ne": 1}})
    for condition in (None, {"$eq": None}, {"$in": [None]}, {"$ne": 1, "$lt": 3}, {"x": None}):
        assert not matches({}, {"a": condition})


@given(st.lists(objects, max_size=12), wheres, st.integers(0, 12), st.integers(0, 12))
def test_the_index_selects_what_matches(metadata, where, cut, size):
    where = require_where(where) or {}
    index, added = MetadataIndex(), 0
    for part in (metadata[:cut], metadata[cut:]):
        codes, texts = encode(to_text(require_metadata(item)) for item in part)
        index.extend(codes, texts, added)
        added += len(part)
        expected = [matches(item, where) for item in metadata[:added]]
        assert index.select(where, added).tolist() == expected
    size = min(size, added)
    index.truncate(size)
    for _ in range(2):
        assert index.select(where, size).tolist() == expected[:size]


def test_the_size_of_the_index_is_counted():
    index = MetadataIndex()
    texts = tuple(to_text({"agent": "coder", "message": f"{n:0100}"}) for n in range(1000))
    index.extend(np.arange(1000, dtype=np.int32), texts, 0)
    assert 1000 * (100 + 100 + 16) < index.nbytes < 1000 * 1000
    index.truncate(0)
    assert index.nbytes == 0
