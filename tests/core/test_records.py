"""Records: they are frozen, validate their fields, and survive a JSON round trip."""

import dataclasses
import json
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memorybank_core import InvalidInputError, Memory, Parts, SearchResult, SupersededBy, Turn

NOON = datetime(2024, 3, 4, 12, tzinfo=timezone.utc)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
moments = st.datetimes(timezones=st.just(timezone.utc))
names = st.none() | texts
turns = st.builds(
    Turn, query=texts, response=st.text(), at=moments, id=names, session=names, user_name=names
)
memories = st.builds(
    Memory,
    id=texts,
    user_id=texts,
    kind=st.sampled_from(["turn", "event"]),
    text=texts,
    created_at=moments,
    day=st.dates(),
    session=texts,
    strength=st.sampled_from([0.0, 1.0, 2.5]),
    recalls=st.integers(0, 3),
    last_recalled_at=st.none() | moments,
    archived_at=st.none() | moments,
    turn=st.none() | turns,
    pinned=st.booleans(),
)
numbers = st.floats(allow_nan=False)


@given(turns)
def test_turns_survive_a_json_round_trip(turn):
    assert Turn.from_dict(json.loads(json.dumps(turn.to_dict()))) == turn


@given(memories)
def test_memories_survive_a_json_round_trip_with_falsy_values(memory):
    assert Memory.from_dict(json.loads(json.dumps(memory.to_dict()))) == memory


newer = st.builds(SupersededBy, st.text(), st.dates())


@given(memories, st.builds(Parts, *[numbers] * 9), numbers, st.none() | newer, st.integers(1))
def test_results_survive_a_json_round_trip(memory, parts, number, superseded_by, times):
    last_said = memory.created_at if times % 2 else None
    result = SearchResult(memory, number, parts, 0.0, 0.0, 0.5, superseded_by, times, last_said)
    assert SearchResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_records_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Turn("hello").query = "bye"


def test_the_text_of_a_turn_has_the_names_of_known_speakers():
    assert Turn("Hi", "Hello").text == "Hi\nHello"
    assert Turn("Hi", "Hello", user_name="Ann", companion_name="Bo").text == "Ann: Hi\nBo: Hello"
    assert Turn("Hi", "", user_name="Ann").text == "Ann: Hi"
    assert Turn("", "Hello").text == "Hello"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"query": " ", "response": "\n"}, "both are empty"),
        ({"query": None}, "Turn.query must be a string, not NoneType"),
        ({"query": "a", "response": 3}, "Turn.response must be a string, not int"),
        ({"query": "a", "id": ""}, "Turn.id must be a non-empty string or None"),
        ({"query": "a", "session": 4}, "Turn.session must be a non-empty string or None"),
        ({"query": "a", "at": datetime(2024, 1, 1)}, "is naive: give it a time zone"),  # noqa: DTZ001
        ({"query": "a", "at": date(2024, 1, 1)}, "must be a datetime, not date"),
    ],
)
def test_an_invalid_turn_names_the_field(fields, message):
    with pytest.raises(InvalidInputError, match=message):
        Turn(**fields)


def test_fading_starts_at_creation_or_the_last_recall():
    memory = Memory("m", "u", "turn", "t", NOON, NOON.date(), "s")
    assert memory.refreshed_at == NOON
    later = dataclasses.replace(memory, last_recalled_at=NOON + timedelta(days=1))
    assert later.refreshed_at == NOON + timedelta(days=1)
    earlier = dataclasses.replace(memory, last_recalled_at=NOON - timedelta(days=1))
    assert earlier.refreshed_at == NOON


def test_why_omits_parts_close_to_zero_in_both_languages():
    memory = Memory("m", "u", "turn", "t", NOON, NOON.date(), "s", strength=2.0)
    result = SearchResult(memory, 3.5, Parts(1.25, 2.0, 0.0, 0.0, 0.001, 0.25), 0.9, 0.8)
    assert result.why() == (
        "score 3.50 = meaning +1.25, words +2.00, freshness +0.25 "
        "(cosine 0.90, retention 0.80, strength 2)"
    )
    assert result.why("zh") == (
        "得分 3.50 = 语义 +1.25、词语 +2.00、新鲜度 +0.25（余弦 0.90，保持率 0.80，强度 2）"
    )
